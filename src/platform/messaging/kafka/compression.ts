/**
 * How batches of records are packed. We write gzip or nothing, and read whatever another writer, a
 * topic or a broker may have chosen: the client brings gzip alone, and a single batch packed otherwise
 * would end each of a topic's readers, for good. Its gzip goes through streams and a pool of threads
 * at a high level, which costs a third more than sending, and as much again for each batch that is
 * read; this one takes the runtime's at its lowest.
 */
import { gunzipSync } from "node:zlib";
import { CompressionCodecs, CompressionTypes } from "kafkajs";
import { unpackLz4 } from "./lz4.ts";
import { assertRecords } from "./record-frames.ts";
import { unpackSnappy } from "./snappy.ts";
import { unpackZstd } from "./zstd.ts";

export type KafkaCompression = "gzip" | "none";

/** A batch that nobody can read: it is damaged, or made to fill the memory. Trying again is no use. */
export class UnpackError extends Error {
  override readonly name = "UnpackError";
  /** The client would try and restart without an end, and say nothing. */
  readonly retriable = false;
}

/** The client's buffer of encoded records. */
interface Encoded {
  readonly buffer: Buffer<ArrayBuffer>;
}

export interface Codec {
  compress(records: Encoded): Promise<Buffer>;
  decompress(packed: Buffer): Promise<Buffer>;
}

type Unpack = (packed: Buffer, mostBytes: number) => Buffer;

const level = 1;
/** A batch of the largest legal messages stays far below; what is above was made to fill the memory. */
const mostBytes = 256 * 1024 * 1024;

const kinds: Readonly<Record<number, { readonly name: string; readonly unpack: Unpack }>> = {
  [CompressionTypes.GZIP]: { name: "gzip", unpack: unpackGzip },
  [CompressionTypes.Snappy]: { name: "snappy", unpack: unpackSnappy },
  [CompressionTypes.LZ4]: { name: "lz4", unpack: unpackLz4 },
  [CompressionTypes.ZSTD]: { name: "zstd", unpack: unpackZstd },
};

/** The client keeps one codec of each kind for the whole process; ours again change nothing. */
export function registerCodecs(): void {
  const known = CompressionCodecs as unknown as Record<number, () => Codec>;
  for (const type of Object.keys(kinds).map(Number)) {
    const codec = createCodec(type);
    known[type] = () => codec;
  }
}

/** `assertContent` throws where what was packed is not what it should be. */
export function createCodec(
  type: CompressionTypes,
  assertContent: (unpacked: Uint8Array) => void = assertRecords,
): Codec {
  const kind = kinds[type];
  if (kind === undefined) throw new Error(`there is no codec ${type}`);
  const { name, unpack } = kind;
  return {
    compress: type === CompressionTypes.GZIP ? compress : () => neverPacked(name),
    decompress: unpacking(name, (packed, most) => {
      const unpacked = unpack(packed, most);
      assertContent(unpacked);
      return unpacked;
    }),
  };
}

async function compress({ buffer }: Encoded): Promise<Buffer> {
  return Buffer.from(Bun.gzipSync(buffer, { level }));
}

async function neverPacked(name: string): Promise<never> {
  throw new Error(`nothing is packed with ${name} here`);
}

/** Without a cause: the client would take that for the error and forget what it says. */
function unpacking(name: string, unpack: Unpack): Codec["decompress"] {
  return async (packed) => {
    try {
      return unpack(packed, mostBytes);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new UnpackError(`a batch packed with ${name} cannot be unpacked: ${why}`);
    }
  };
}

/** The runtime's own for one call reads the first member only; other writers may send several. */
function unpackGzip(packed: Buffer, maxOutputLength: number): Buffer {
  return gunzipSync(packed, { maxOutputLength });
}

export function compressionType(compression: KafkaCompression): CompressionTypes {
  return compression === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None;
}
