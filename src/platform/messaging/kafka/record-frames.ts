/**
 * Do bytes hold records from end to end, as Kafka writes them? The client does not ask: where a length
 * is wrong it hands out less, or something else, as if that had been sent.
 */

/** The most bytes of a zigzag varint: seven bits each, the lowest first; the lowest bit is the sign. */
const intBytes = 5;
const longBytes = 10;

/** Throws where they are none. */
export function assertRecords(bytes: Uint8Array): void {
  let at = 0;

  function readVarint(mostBytes: number): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < mostBytes; count += 1) {
      const byte = bytes[at];
      if (byte === undefined) break;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    throw malformed(at);
  }

  /** By their length; -1 is null. */
  function skipBytes(least: number): void {
    const size = readVarint(intBytes);
    if (size < least || at + size > bytes.length) throw malformed(at);
    at += Math.max(0, size);
  }

  while (at < bytes.length) {
    const size = readVarint(intBytes);
    const end = at + size;
    at += 1; // attributes, unused
    readVarint(longBytes); // timestampDelta
    readVarint(intBytes); // offsetDelta
    skipBytes(-1); // key
    skipBytes(-1); // value
    const headers = readVarint(intBytes);
    if (headers < 0) throw malformed(at);
    for (let count = 0; count < headers; count += 1) {
      skipBytes(0);
      skipBytes(-1);
    }
    if (at !== end) throw malformed(at);
  }
}

function malformed(at: number): Error {
  return new Error(`a record in it is malformed at byte ${at}`);
}
