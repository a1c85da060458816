/**
 * Reads batches packed with lz4, in its frame format: what Java's client, librdkafka and others write.
 * Nothing damaged is passed on: what is cut short, points before its beginning or fails a checksum of
 * its own throws, since the Kafka client does not look at a batch's checksum.
 */
import { cutShort, isSkipped, readUint, repeat, tooLarge } from "./unpacking.ts";

const frameMagic = 0x184d2204;
const largestBlock: Readonly<Record<number, number>> = {
  4: 65_536,
  5: 262_144,
  6: 1_048_576,
  7: 4_194_304,
};
const shortestMatch = 4;

/** What was unpacked so far, of all frames. */
interface Output {
  bytes: Buffer<ArrayBuffer>;
  length: number;
}

interface Frame {
  readonly largest: number;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  /** Where its blocks begin. */
  readonly at: number;
}

/** Throws when it is no lz4, or would be longer than `mostBytes`. */
export function unpackLz4(packed: Buffer, mostBytes: number): Buffer {
  const output: Output = { bytes: Buffer.allocUnsafe(4 * packed.length), length: 0 };
  let at = 0;
  do {
    const magic = readUint(packed, at, 4);
    if (magic === frameMagic)
      at = readBlocks(packed, readHeader(packed, at + 4), output, mostBytes);
    else if (isSkipped(magic)) at += 8 + readUint(packed, at + 4, 4);
    else throw new Error("it does not begin as an lz4 frame does");
  } while (at < packed.length);
  if (at > packed.length) throw cutShort();
  return output.bytes.subarray(0, output.length);
}

function readHeader(packed: Buffer, at: number): Frame {
  const flags = packed[at] ?? 0;
  const largest = largestBlock[((packed[at + 1] ?? 0) >> 4) & 7];
  if (flags >> 6 !== 1 || largest === undefined)
    throw new Error("its lz4 frame is of no known kind");
  if ((flags & 1) !== 0) throw new Error("its lz4 frame wants a dictionary");
  return {
    largest,
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
    // Flags, block size, the content's size where it is told, and a checksum of these.
    at: at + 2 + ((flags & 0x08) !== 0 ? 8 : 0) + 1,
  };
}

/** Returns where the frame ends. A block may point into those of its frame before it. */
function readBlocks(packed: Buffer, frame: Frame, output: Output, mostBytes: number): number {
  const start = output.length;
  let { at } = frame;
  for (;;) {
    const size = readUint(packed, at, 4);
    at += 4;
    if (size === 0) break;
    const end = at + (size & 0x7fffffff);
    if (end > packed.length) throw cutShort();
    const block = packed.subarray(at, end);
    makeRoom(output, frame.largest, mostBytes);
    if (size >>> 31 === 1) copyBlock(block, output, frame.largest);
    else unpackBlock(block, output, start, output.length + frame.largest);
    if (output.length > mostBytes) throw tooLarge(mostBytes);
    at = end;
    if (frame.blockChecksums) at = verify(block, packed, at);
  }
  if (!frame.contentChecksum) return at;
  return verify(output.bytes.subarray(start, output.length), packed, at);
}

function copyBlock(block: Buffer, output: Output, largest: number): void {
  if (block.length > largest) throw new Error("a block is longer than its frame allows");
  block.copy(output.bytes, output.length);
  output.length += block.length;
}

/** Bytes as they are, then a repetition of some before, and so on; the last are bytes as they are. */
function unpackBlock(block: Buffer, output: Output, start: number, end: number): void {
  const { bytes } = output;
  let to = output.length;
  let at = 0;
  const readLength = (first: number): number => {
    let length = first;
    if (first < 15) return length;
    for (let more = 255; more === 255; length += more) {
      if (at >= block.length) throw cutShort();
      more = block[at++] ?? 0;
    }
    return length;
  };
  for (;;) {
    if (at >= block.length) throw cutShort();
    const token = block[at++] ?? 0;
    const plain = readLength(token >> 4);
    if (at + plain > block.length) throw cutShort();
    if (to + plain > end) throw new Error("a block is longer than its frame allows");
    block.copy(bytes, to, at, at + plain);
    at += plain;
    to += plain;
    if (at === block.length) break;
    if (at + 2 > block.length) throw cutShort();
    const distance = block.readUInt16LE(at);
    at += 2;
    const again = readLength(token & 15) + shortestMatch;
    if (distance === 0 || to - distance < start) throw new Error("it points before its beginning");
    if (to + again > end) throw new Error("a block is longer than its frame allows");
    to = repeat(bytes, to, distance, again);
  }
  output.length = to;
}

function makeRoom(output: Output, largest: number, mostBytes: number): void {
  const needed = output.length + largest;
  if (needed <= output.bytes.length) return;
  const doubled = Math.min(2 * output.bytes.length, mostBytes + largest);
  const larger = Buffer.allocUnsafe(Math.max(doubled, needed));
  output.bytes.copy(larger, 0, 0, output.length);
  output.bytes = larger;
}

function verify(bytes: Buffer, packed: Buffer, at: number): number {
  if (Bun.hash.xxHash32(bytes, 0) !== readUint(packed, at, 4))
    throw new Error("its checksum is another");
  return at + 4;
}
