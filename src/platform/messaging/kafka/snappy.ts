/**
 * Reads batches packed with snappy: raw, as the C library writes it, or in chunks behind a header of
 * their own, as Java's does. Nothing damaged is passed on: what is cut short, is not as long as it
 * says or points before its beginning throws.
 */
import { cutShort, readUint, repeat, tooLarge } from "./unpacking.ts";

/** What Java's library begins with; two version numbers of four bytes follow. */
const chunksMagic = Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0]);
const chunksHeader = 16;

/** Throws when it is no snappy, or would be longer than `mostBytes`. */
export function unpackSnappy(packed: Buffer, mostBytes: number): Buffer {
  if (!isHeader(packed, 0)) return unpackRaw(packed, mostBytes);
  const chunks: Buffer[] = [];
  let left = mostBytes;
  for (let at = 0; at < packed.length; ) {
    // Streams may follow each other, each with its header.
    if (isHeader(packed, at)) {
      at += chunksHeader;
      if (at > packed.length) throw cutShort();
      continue;
    }
    if (at + 4 > packed.length) throw cutShort();
    const end = at + 4 + packed.readUInt32BE(at);
    if (end > packed.length) throw cutShort();
    const chunk = unpackRaw(packed.subarray(at + 4, end), left);
    chunks.push(chunk);
    left -= chunk.length;
    at = end;
  }
  return Buffer.concat(chunks);
}

function isHeader(packed: Buffer, at: number): boolean {
  return packed.subarray(at, at + chunksMagic.length).equals(chunksMagic);
}

/** Its length, then bytes as they are and repetitions of some before, in any order. */
function unpackRaw(packed: Buffer, mostBytes: number): Buffer {
  const { length, at: first } = readLength(packed);
  if (length > mostBytes) throw tooLarge(mostBytes);
  const bytes = Buffer.allocUnsafe(length);
  let to = 0;
  for (let at = first; at < packed.length; ) {
    const tag = packed[at++] ?? 0;
    if ((tag & 3) === 0) {
      const more = Math.max(0, (tag >> 2) - 59);
      const count = 1 + (more === 0 ? tag >> 2 : readUint(packed, at, more));
      at += more;
      if (at + count > packed.length) throw cutShort();
      if (to + count > length) throw new Error("it is longer than it says");
      packed.copy(bytes, to, at, at + count);
      at += count;
      to += count;
    } else {
      const { count, distance, size } = readRepetition(packed, tag, at);
      at += size;
      if (distance === 0 || distance > to) throw new Error("it points before its beginning");
      if (to + count > length) throw new Error("it is longer than it says");
      to = repeat(bytes, to, distance, count);
    }
  }
  if (to !== length) throw cutShort();
  return bytes;
}

function readRepetition(packed: Buffer, tag: number, at: number) {
  if ((tag & 3) === 1) {
    const distance = ((tag >> 5) << 8) | readUint(packed, at, 1);
    return { count: ((tag >> 2) & 7) + 4, distance, size: 1 };
  }
  const size = (tag & 3) === 2 ? 2 : 4;
  return { count: (tag >> 2) + 1, distance: readUint(packed, at, size), size };
}

/** Seven bits a byte, the lowest first. */
function readLength(packed: Buffer): { length: number; at: number } {
  let length = 0;
  for (let at = 0; at < 5; at += 1) {
    const byte = packed[at];
    if (byte === undefined) throw cutShort();
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return { length, at: at + 1 };
  }
  throw new Error("it does not begin as snappy does");
}
