/**
 * Do bytes hold records from end to end, as Kafka writes them? The client does not ask: where a length
 * is wrong it hands out less, or something else, as if that had been sent.
 */

/** Of a number as Kafka packs it: seven bits a byte, the lowest first, the sign in the lowest bit. */
const intBytes = 5;
const longBytes = 10;

/** Throws where they are none. */
export function assertRecords(bytes: Uint8Array): void {
  let at = 0;

  function number(mostBytes: number): number {
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

  /** -1 is no text at all. */
  function skipText(least: number): void {
    const size = number(intBytes);
    if (size < least || at + size > bytes.length) throw malformed(at);
    at += Math.max(0, size);
  }

  while (at < bytes.length) {
    const size = number(intBytes);
    const end = at + size;
    // Its attributes, of which there are none.
    at += 1;
    number(longBytes); // later than the batch
    number(intBytes); // behind the batch's first
    skipText(-1); // the key
    skipText(-1); // the value
    const headers = number(intBytes);
    if (headers < 0) throw malformed(at);
    for (let count = 0; count < headers; count += 1) {
      skipText(0);
      skipText(-1);
    }
    if (at !== end) throw malformed(at);
  }
}

function malformed(at: number): Error {
  return new Error(`a record in it is malformed at byte ${at}`);
}
