/** What others packed; test/golden/packed says by what, and how. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createZstdCompress, gzipSync, zstdCompressSync } from "node:zlib";
import { CompressionTypes } from "kafkajs";
import { type Codec, createCodec, UnpackError } from "./compression.ts";
import { unpackLz4 } from "./lz4.ts";
import { unpackSnappy } from "./snappy.ts";

const { GZIP, Snappy, LZ4, ZSTD } = CompressionTypes;
const text = Array.from({ length: 3_000 }, (_, i) => `line ${i % 50} of what another packed; `);
const whole = text.join("");

/** Of whatever bytes: what they must be is asked behind. */
function codec(type: CompressionTypes): Codec {
  return createCodec(type, () => undefined);
}

function golden(name: string): Buffer {
  return readFileSync(
    new URL(`../../../../test/golden/packed/${name}.bin`, import.meta.url).pathname,
  );
}

async function unpacked(type: CompressionTypes, ...parts: readonly Buffer[]): Promise<string> {
  return String(await codec(type).decompress(Buffer.concat(parts)));
}

test("what was packed is unpacked", async () => {
  const packed = await codec(GZIP).compress({ buffer: Buffer.from("a batch") });
  expect(await unpacked(GZIP, packed)).toBe("a batch");
});

describe.each([
  ["gzip", GZIP],
  ["snappy", Snappy],
  ["lz4", LZ4],
  ["zstd", ZSTD],
] as const)("%s", (name, type) => {
  test("a batch that Kafka's own producer packed is read whole", async () => {
    expect(await unpacked(type, golden(name))).toBe(whole);
  });

  test("several streams in one batch, as other writers may send them, are read whole", async () => {
    expect(await unpacked(type, golden(name), golden(name))).toBe(whole + whole);
  });

  test("a batch that is cut short is refused wherever it was cut, and in plain words", async () => {
    const packed = golden(name);
    const step = Math.ceil(packed.length / 200);
    for (let length = 0; length < packed.length; length += step) {
      const cut = await codec(type)
        .decompress(packed.subarray(0, length))
        .catch((error: unknown) => error);
      // A chunk of Java's snappy is whole by itself: where one ends nothing tells that more follow.
      if (cut instanceof Buffer && name === "snappy")
        expect([length > 16, cut.length % 32_768]).toEqual([true, 0]);
      else {
        expect(cut).toBeInstanceOf(UnpackError);
        expect(String(cut)).toContain(`a batch packed with ${name} cannot be unpacked: `);
      }
    }
  });

  test("rubbish is refused, or is at least no longer than it says", async () => {
    for (let seed = 0; seed < 500; seed += 1) {
      const rubbish = golden(name).subarray(0, 2_000);
      for (let n = 0; n < 4; n += 1) rubbish[(seed * 37 + n * 11) % rubbish.length] = seed * 7 + n;
      const read = await codec(type)
        .decompress(rubbish)
        .catch((error: unknown) => error);
      if (!(read instanceof Buffer)) expect(read).toBeInstanceOf(UnpackError);
    }
  });

  test("an error does not let the client try again without an end", async () => {
    const error = await codec(type)
      .decompress(Buffer.from("rubbish"))
      .catch((refusal: unknown) => refusal);
    expect(error).toHaveProperty("retriable", false);
    // The client would keep that in its place.
    expect(error).not.toHaveProperty("cause");
  });
});

test("snappy as others than Java write it is read whole", async () => {
  expect(await unpacked(Snappy, golden("snappy-raw"))).toBe(whole);
});

test("zstd of a stream, which does not tell its size, is read whole", async () => {
  const stream = createZstdCompress();
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part));
  for (const line of text) stream.write(line);
  const ended = Promise.withResolvers<void>();
  stream.on("end", ended.resolve);
  stream.end();
  await ended.promise;
  const told = zstdCompressSync(Buffer.from("and one that tells it"));
  expect(await unpacked(ZSTD, ...parts, told)).toBe(`${whole}and one that tells it`);
});

test("lz4 as its own tool writes it, with checksums and blocks that lean on each other, is read whole", async () => {
  const packed = golden("lz4-tool");
  expect(await unpacked(LZ4, packed, golden("lz4"))).toBe(whole + whole);
  const last = packed.length - 1;
  packed.writeUInt8(packed.readUInt8(last) ^ 1, last);
  await expect(unpacked(LZ4, packed)).rejects.toThrow("its checksum is another");
});

describe("what cannot be packed any smaller", () => {
  const noise = Buffer.from(
    Array.from({ length: 200_000 }, (_, i) => Number(Bun.hash(`${i}`) & 255n)),
  );
  const packed = {
    // 200000 as a varint, then one literal whose length less one stands in three bytes.
    snappy: Buffer.concat([Buffer.from([0xc0, 0x9a, 0x0c, 62 << 2, 0x3f, 0x0d, 0x03]), noise]),
    lz4: lz4Frame([noise.length + 0x80000000, noise]),
    zstd: zstdCompressSync(noise),
  };

  test.each([
    ["snappy", Snappy],
    ["lz4", LZ4],
    ["zstd", ZSTD],
  ] as const)("as %s is read as it is, or not at all", async (name, type) => {
    const { decompress } = codec(type);
    expect((await decompress(packed[name])).equals(noise)).toBeTrue();
    const short = packed[name].subarray(0, 150_000);
    await expect(decompress(short)).rejects.toThrow("it is cut short");
  });
});

/** One block, its size as it stands in the frame. */
function lz4Frame([size, block]: readonly [size: number, block: Buffer]): Buffer {
  const before = Buffer.alloc(11);
  before.write("04224d18607082", "hex");
  before.writeUInt32LE(size, 7);
  return Buffer.concat([before, block, Buffer.alloc(4)]);
}

test.each([
  ["repeats what is before its beginning", "snappy", "040101", "before its beginning"],
  ["repeats from where it stands", "snappy", "05004101 00", "before its beginning"],
  ["says that it is longer", "snappy", "0a08616263", "cut short"],
  ["says that it is shorter", "snappy", "0108616263", "longer than it says"],
  ["repeats what is before its beginning", "lz4", "1061 0200 00", "before its beginning"],
  ["repeats from where it stands", "lz4", "1061 0000 00", "before its beginning"],
  ["ends within a repetition", "lz4", "1061 01", "cut short"],
  ["ends within bytes as they are", "lz4", "2061", "cut short"],
  ["ends where a length goes on", "lz4", "f0ff", "cut short"],
])("a stream that %s is refused, not guessed (%s)", async (_, name, hex, why) => {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const [type, packed] = name === "lz4" ? [LZ4, lz4Frame([bytes.length, bytes])] : [Snappy, bytes];
  await expect(codec(type).decompress(packed)).rejects.toThrow(why);
});

describe("a batch that would fill the memory is refused", () => {
  const zeros = Buffer.alloc(64 * 1024 * 1024);

  test.each([
    ["gzip", GZIP, gzipSync(zeros)],
    ["zstd", ZSTD, zstdCompressSync(zeros)],
  ] as const)("%s, at 256 MiB", async (_, type, member) => {
    const packed = Buffer.concat(Array.from({ length: 5 }, () => member));
    expect(packed.length).toBeLessThan(1_048_576);
    await expect(codec(type).decompress(packed)).rejects.toThrow(/larger than 268435456/i);
  });

  test.each([
    ["snappy", unpackSnappy],
    ["snappy-raw", unpackSnappy],
    ["lz4", unpackLz4],
    ["lz4-tool", unpackLz4],
  ])("%s, at a bound", (name, unpack) => {
    expect(unpack(golden(name), whole.length).length).toBe(whole.length);
    expect(() => unpack(golden(name), whole.length - 1)).toThrow(/is larger than/);
  });
});
