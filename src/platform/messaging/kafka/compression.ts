/**
 * How batches of records are packed. The client's own gzip goes through streams and a pool of
 * threads at a high level, which costs a third more than sending, and as much again for each batch
 * that is read; this one takes the runtime's at its lowest.
 */
import { gunzipSync } from "node:zlib";
import { CompressionCodecs, CompressionTypes } from "kafkajs";

export type KafkaCompression = "gzip" | "none";

/** The client's buffer of encoded records. */
interface Encoded {
  readonly buffer: Buffer<ArrayBuffer>;
}

interface Codec {
  compress(records: Encoded): Promise<Buffer>;
  decompress(packed: Buffer): Promise<Buffer>;
}

const level = 1;
/** A batch of the largest legal messages stays far below; what is above was made to fill the memory. */
const mostBytes = 256 * 1024 * 1024;

/** The client keeps one codec for the whole process; registering ours again changes nothing. */
export function registerGzip(): void {
  const codecs = CompressionCodecs as unknown as Record<number, () => Codec>;
  const known = codecs[CompressionTypes.GZIP]?.();
  if (known === undefined || known.compress === compress) return;
  const codec: Codec = { compress, decompress };
  codecs[CompressionTypes.GZIP] = () => codec;
}

async function compress({ buffer }: Encoded): Promise<Buffer> {
  return Buffer.from(Bun.gzipSync(buffer, { level }));
}

/** The runtime's own reads the first member only; other writers may send several. */
async function decompress(packed: Buffer): Promise<Buffer> {
  return gunzipSync(packed, { maxOutputLength: mostBytes });
}

export function compressionType(compression: KafkaCompression): CompressionTypes {
  return compression === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None;
}
