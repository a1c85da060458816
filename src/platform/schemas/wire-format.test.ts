import { describe, expect, test } from "bun:test";
import type { DescMessage } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, StringValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { EventSchema, TreasuryEventSchema } from "#gen/payments/v1/events_pb";
import { allTopics } from "#topics";
import { isFramed, messageIndexes, wireFormatOf } from "./wire-format.ts";

/** A message inside the second one of a file, the fourth of those. */
const nested = FileDescriptorProtoSchema.file.messages.flatMap(({ nestedMessages }) => [
  ...nestedMessages,
])[3] as DescMessage;

describe("K1: the frame of a schema registry", () => {
  test("first message of its file: zero byte, id, a single zero", () => {
    const frame = wireFormatOf(EventSchema).frame(258);
    expect([...frame]).toEqual([0, 0, 0, 1, 2, 0]);
  });

  test("another message: how many indexes, then each as a doubled number", () => {
    expect(messageIndexes(StringValueSchema)).toEqual([7]);
    expect([...wireFormatOf(StringValueSchema).frame(1)]).toEqual([0, 0, 0, 0, 1, 2, 14]);
  });

  test("a message inside a message: every step of the way", () => {
    const indexes = messageIndexes(nested);
    expect(indexes).toHaveLength(2);
    const frame = wireFormatOf(nested).frame(1);
    expect([...frame.subarray(5)]).toEqual([4, ...indexes.map((index) => index * 2)]);
  });

  test("what is framed is opened, whatever id it bears; what is bare stays", () => {
    const bare = fc.uint8Array({ minLength: 0, maxLength: 40 }).filter((bytes) => !isFramed(bytes));
    fc.assert(
      fc.property(
        fc.constantFrom(...allTopics.map(({ schema }) => schema as DescMessage)),
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        bare,
        (schema, id, value) => {
          const format = wireFormatOf(schema);
          const framed = Buffer.concat([format.frame(id), value]);
          expect(isFramed(framed)).toBe(true);
          expect(Buffer.from(format.open(framed))).toEqual(Buffer.from(value));
          expect(format.open(value)).toBe(value);
        },
      ),
    );
  });

  test("the first message written in full is opened too", () => {
    const value = Uint8Array.of(0, 0, 0, 0, 9, 2, 0, 10, 1, 65);
    expect([...wireFormatOf(EventSchema).open(value)]).toEqual([10, 1, 65]);
  });

  test("a frame of another message, or a broken one, stays as it is", () => {
    const { frame } = wireFormatOf(EventSchema);
    const { open } = wireFormatOf(TreasuryEventSchema);
    const strange = [
      Buffer.concat([frame(7), Buffer.of(10, 1, 65)]),
      Uint8Array.of(0),
      Uint8Array.of(0, 0, 0, 0),
      Uint8Array.of(0, 0, 0, 0, 1, 2),
      new Uint8Array(20),
    ];
    for (const value of strange) expect(open(value)).toBe(value);
  });

  test("no bare message begins with a zero byte: no field has the number 0", () => {
    const numbers = allTopics.flatMap(({ schema }) =>
      (schema as DescMessage).fields.map(({ number }) => number),
    );
    expect(Math.min(...numbers)).toBeGreaterThan(0);
  });
});
