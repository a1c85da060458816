/** What the readers of packed batches have in common. None of them passes on what is damaged. */

export function cutShort(): Error {
  return new Error("it is cut short");
}

/** `size` bytes, the lowest first. */
export function readUint(packed: Buffer, at: number, size: number): number {
  if (at + size > packed.length) throw cutShort();
  return packed.readUIntLE(at, size);
}

/** Begins a frame for readers of another kind, in lz4 as in zstd; its length follows. */
export function isSkipped(magic: number): boolean {
  return (magic & ~0xf) >>> 0 === 0x184d2a50;
}

export function tooLarge(mostBytes: number): Error {
  return new Error(`it is larger than ${mostBytes} bytes`);
}

/** Writes at `to` what stands `distance` before; it may overlap, which repeats it. Returns the end. */
export function repeat(bytes: Buffer, to: number, distance: number, count: number): number {
  if (distance >= count) {
    bytes.copyWithin(to, to - distance, to - distance + count);
    return to + count;
  }
  for (let i = to; i < to + count; i += 1) bytes[i] = bytes[i - distance] ?? 0;
  return to + count;
}
