import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { TerminalError } from "../errors.ts";
import { UnknownTypeError } from "./codec.ts";
import type { LogRecord } from "./event-log.ts";
import { type Received, sliceFrom } from "./intake.ts";

const recordAt = (offset: bigint, text: string): LogRecord => ({
  topic: "t",
  partition: 0,
  offset,
  key: "k",
  value: new TextEncoder().encode(text),
  headers: {},
  appendedAt: new Date(0),
});

/** Its id is the text's first letter: "a" and "a!" are one id that says two things. */
function message(offset: bigint, text: string): Received<StringValue> {
  const record = recordAt(offset, text);
  const [messageId = ""] = text;
  const { topic, partition, key, headers, appendedAt } = record;
  const content = create(StringValueSchema, { value: text });
  const rest = { messageId, messageType: "T", headers, appendedAt, correlationId: "" };
  const incoming = { message: content, topic, partition, offset, key, ...rest };
  return { kind: "message", record, incoming };
}
const undecodable = (offset: bigint): Received<StringValue> => ({
  kind: "undecodable",
  record: recordAt(offset, "?"),
  error: new TerminalError("undecodable"),
});
const unknown = (offset: bigint): Received<StringValue> => ({
  kind: "unknown",
  record: recordAt(offset, "?"),
  error: new UnknownTypeError("newer"),
});

/** "5,6 then 7": the offsets that are handled, and where the next slice begins. */
function slice(items: Received<StringValue>[], position: bigint, gaps = false): string {
  const found = sliceFrom(items, position, gaps);
  if (found.kind !== "fresh") return found.kind;
  return `${found.received.map(({ record }) => record.offset).join()} then ${found.next}`;
}

const plain = [message(5n, "a"), message(6n, "b"), message(7n, "c")];

test("drops what lies before the position", () => {
  expect(slice(plain, 5n)).toBe("5,6,7 then 8");
  expect(slice(plain, 6n)).toBe("6,7 then 8");
  expect(slice(plain, 8n)).toBe("stale");
  expect(slice([], 0n)).toBe("stale");
});

test("begins nowhere but at the position, unless gaps are declared", () => {
  expect(slice(plain, 4n)).toBe("gap");
  expect(slice(plain, 4n, true)).toBe("5,6,7 then 8");
});

test("ends before a hole, unless gaps are declared", () => {
  const holed = [message(5n, "a"), message(7n, "c")];
  expect(slice(holed, 5n)).toBe("5 then 6");
  expect(slice(holed, 5n, true)).toBe("5,7 then 8");
});

test("ends before an unknown type, and does not begin with one", () => {
  expect(slice([message(5n, "a"), unknown(6n), message(7n, "c")], 5n)).toBe("5 then 6");
  expect(slice([unknown(6n), message(7n, "c")], 6n)).toBe("unknown");
});

test("takes a repeat of an id once, and ends before one that says something else", () => {
  expect(slice([message(5n, "a"), message(6n, "a"), message(7n, "b")], 5n)).toBe("5,7 then 8");
  expect(slice([message(5n, "a"), message(6n, "a!"), message(7n, "b")], 5n)).toBe("5 then 6");
});

test("keeps what cannot be decoded in its place", () => {
  expect(slice([message(5n, "a"), undecodable(6n), message(7n, "b")], 5n)).toBe("5,6,7 then 8");
});
