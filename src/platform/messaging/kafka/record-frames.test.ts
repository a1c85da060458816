/** What the client would read as less, or as something else, is told from records. */
import { expect, test } from "bun:test";
import { assertRecords } from "./record-frames.ts";

/** Less than 64 each, so that one byte holds it. */
const size = (bytes: number) => bytes * 2;
const body = [0, 0, 0, size(1), 107, size(2), 118, 118, size(1), size(1), 104, size(1), 120];
const record = [size(body.length), ...body];
const bare = [size(6), 0, 0, 0, 1, 1, 0];

const refusal = (bytes: readonly number[]): string => {
  try {
    assertRecords(Uint8Array.from(bytes));
    return "records";
  } catch (error) {
    return String(error);
  }
};

test("one record and many, with and without key, value and headers, are records", () => {
  for (const bytes of [[], record, bare, [...record, ...bare, ...record]]) {
    expect(refusal(bytes)).toBe("records");
  }
  const long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
  expect(refusal([size(15), 0, ...long, 0, 1, 1, 0])).toBe("records");
});

test("what is cut anywhere is none", () => {
  const both = [...bare, ...record];
  for (let length = 1; length < both.length; length += 1) {
    if (length === bare.length) continue;
    expect(refusal(both.slice(0, length))).toContain("malformed at byte");
  }
});

test.each([
  ["a record longer than all there is", [size(60), ...body]],
  ["a record shorter than its parts", [size(9), ...body]],
  ["a record of less than nothing", [1, ...body]],
  ["a key longer than its record", [size(6), 0, 0, 0, size(40), 1, 0]],
  ["a value of less than nothing", [size(6), 0, 0, 0, 1, 3, 0]],
  ["fewer headers than none", [size(6), 0, 0, 0, 1, 1, 1]],
  ["more headers than follow", [size(6), 0, 0, 0, 1, 1, size(9)]],
  ["a header without a name", [size(8), 0, 0, 0, 1, 1, size(1), 1, 1]],
  ["a number without an end", [size(12), 0, ...Array<number>(11).fill(0xff)]],
  ["text", [...Buffer.from("line 1 of what is no record")]],
])("%s is none", (_name, bytes) => {
  expect(refusal(bytes)).toContain("malformed at byte");
});
