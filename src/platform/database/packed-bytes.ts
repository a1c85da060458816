/**
 * Byte strings of many rows as one parameter. The drivers have no bytea[], and the server reads an
 * array's text character by character: that costs more than storing it. In the statement:
 * `substring(${packed.bytes}::bytea FROM m.at FOR m.size)`, with `at` and `size` unnested.
 */
export interface PackedBytes {
  readonly bytes: Uint8Array;
  /** Where each begins, counted from 1. */
  readonly at: readonly number[];
  readonly sizes: readonly number[];
}

export function packBytes(parts: readonly Uint8Array[]): PackedBytes {
  const at: number[] = [];
  const sizes: number[] = [];
  let end = 1;
  for (const { length } of parts) {
    at.push(end);
    sizes.push(length);
    end += length;
  }
  return { bytes: Buffer.concat(parts), at, sizes };
}
