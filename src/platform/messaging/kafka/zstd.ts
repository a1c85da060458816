/**
 * Reads batches packed with zstd, of one frame or several, with or without a size. The runtime's own
 * gives what it has of a frame that is cut short; here that throws.
 */
import { zstdDecompressSync } from "node:zlib";
import { cutShort, isSkipped, readUint } from "./unpacking.ts";

const frameMagic = 0xfd2fb528;
/** By the bits of a frame's first byte. */
const dictionaryBytes = [0, 1, 2, 4];
const sizeBytes = [0, 2, 4, 8];
const repeatedByte = 1;

/** Throws when it is no zstd, or would be longer than `mostBytes`. */
export function unpackZstd(packed: Buffer, mostBytes: number): Buffer {
  let at = 0;
  do at = frameEnd(packed, at);
  while (at < packed.length);
  if (at > packed.length) throw cutShort();
  return zstdDecompressSync(packed, { maxOutputLength: mostBytes });
}

/** Where the frame that begins at `from` ends: maybe behind the last byte there is. */
function frameEnd(packed: Buffer, from: number): number {
  const magic = readUint(packed, from, 4);
  if (isSkipped(magic)) return from + 8 + readUint(packed, from + 4, 4);
  if (magic !== frameMagic) throw new Error("it does not begin as a zstd frame does");
  const flags = readUint(packed, from + 4, 1);
  const single = (flags & 0x20) !== 0;
  const window = single ? 0 : 1;
  const size = flags >> 6 === 0 && single ? 1 : (sizeBytes[flags >> 6] ?? 0);
  let at = from + 5 + window + (dictionaryBytes[flags & 3] ?? 0) + size;
  for (let last = false; !last; ) {
    const block = readUint(packed, at, 3);
    last = (block & 1) === 1;
    at += 3 + (((block >> 1) & 3) === repeatedByte ? 1 : block >> 3);
  }
  return at + ((flags & 0x04) !== 0 ? 4 : 0);
}
