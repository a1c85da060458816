import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { CompressionCodecs, CompressionTypes } from "kafkajs";
import { registerGzip } from "./compression.ts";

interface Codec {
  compress(records: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(packed: Buffer): Promise<Buffer>;
}

registerGzip();
const codec = (CompressionCodecs as unknown as Record<number, () => Codec>)[
  CompressionTypes.GZIP
]?.();

test("what was packed is unpacked", async () => {
  const packed = await codec?.compress({ buffer: Buffer.from("a batch") });
  expect(String(await codec?.decompress(packed ?? Buffer.alloc(0)))).toBe("a batch");
});

test("a stream of several members, as other writers may send it, is read whole", async () => {
  const members = ["one ", "two ", "three"].map((text) => gzipSync(text));
  expect(String(await codec?.decompress(Buffer.concat(members)))).toBe("one two three");
});

test("a batch that would fill the memory is refused", async () => {
  const member = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const packed = Buffer.concat(Array.from({ length: 5 }, () => member));
  expect(packed.length).toBeLessThan(1_048_576);
  await expect(codec?.decompress(packed)).rejects.toThrow(/larger than/i);
});
