/**
 * The frame around a value that readers with a schema registry expect: a zero byte, the schema's id,
 * and where in its file the message stands. A bare protobuf message never begins with a zero byte
 * (no field has the number 0), so the two forms cannot be mistaken for each other.
 */
import type { DescMessage } from "@bufbuild/protobuf";

export interface WireFormat {
  /** What stands before a message that was written with the schema of this id. */
  frame(id: number): Uint8Array;
  /**
   * The bare message. A frame of another message of the file is left as it is, and cannot be decoded
   * then; whose id it bears does not matter, since protobuf reads what any version has written.
   */
  open(value: Uint8Array): Uint8Array;
}

const magic = 0;
const headBytes = 5;

export function isFramed(value: Uint8Array): boolean {
  return value[0] === magic;
}

export function wireFormatOf(message: DescMessage): WireFormat {
  const [written, ...others] = placeForms(messageIndexes(message));
  return {
    frame(id) {
      const head = Buffer.alloc(headBytes, magic);
      head.writeInt32BE(id, 1);
      return Buffer.concat([head, written]);
    },
    open(value) {
      if (!isFramed(value)) return value;
      const behind = Buffer.from(value.buffer, value.byteOffset, value.length).subarray(headBytes);
      const place = [written, ...others].find((form) => behind.indexOf(form) === 0);
      return place === undefined ? value : value.subarray(headBytes + place.length);
    },
  };
}

/** Its place in the file, or in each message around it, outermost first. */
export function messageIndexes(message: DescMessage): readonly number[] {
  const { parent, file } = message;
  return parent === undefined
    ? [file.messages.indexOf(message)]
    : [...messageIndexes(parent), parent.nestedMessages.indexOf(message)];
}

/** How many, then each. The first message of a file is a lone zero, which some write in full. */
function placeForms(indexes: readonly number[]): readonly [Buffer, ...Buffer[]] {
  const full = Buffer.from([indexes.length, ...indexes].flatMap(zigzag));
  return indexes.length === 1 && indexes[0] === 0 ? [Buffer.of(0), full] : [full];
}

/** Numbers from 0 on, as the signed ones of protobuf: doubled, seven bits a byte. */
function zigzag(value: number): number[] {
  return sevenBits(value * 2);
}

function sevenBits(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...sevenBits(Math.floor(value / 128))];
}
