import { expect, test } from "bun:test";
import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { CreateEscrowRequestSchema } from "#gen/escrow/v1/http_pb";
import { CreateApiKeyRequestSchema } from "#gen/platform/v1/http_pb";
import { toMessage } from "./body.ts";
import { bodyLimits, parseJson, webhookLimits } from "./json.ts";
import { HttpProblem } from "./problem.ts";

function read(text: string | Uint8Array, limits = bodyLimits): unknown {
  const bytes = typeof text === "string" ? Buffer.from(text, "utf8") : text;
  try {
    return parseJson(bytes, limits);
  } catch (error) {
    if (error instanceof HttpProblem) return error;
    throw error;
  }
}

function statusAndField(text: string | Uint8Array): unknown {
  const result = read(text);
  return result instanceof HttpProblem ? [result.status, result.field] : "accepted";
}

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const wide = (keys: number) =>
  `{${Array.from({ length: keys }, (_, index) => `"k${index}":""`).join(",")}}`;

// bad input B2
test.each([
  ["depth 33", nested(33), 400],
  ["depth 32,000", nested(32_000), 400],
  ["1,001 keys", wide(1_001), 400],
  ["duplicate keys", '{"a":"1","a":"2"}', 400],
  ["duplicate keys, one escaped", '{"a":"1","\\u0061":"2"}', 400],
  ["trailing data", '{"a":"1"}{}', 400],
  ["trailing comma", '{"a":"1",}', 400],
  ["a byte order mark", '\ufeff{"a":"1"}', 400],
  ["invalid UTF-8", Uint8Array.from([0x22, 0xff, 0x22]), 400],
  ["a UTF-8 surrogate", Uint8Array.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 400],
  ["UTF-16", Buffer.from('{"a":"1"}', "utf16le"), 400],
  ["a raw line end in a string", '"a\nb"', 400],
  ["an unknown escape", '"\\x41"', 400],
  ["a cut escape", '"\\u12"', 400],
  ["an open string", '"abc', 400],
  ["single quotes", "{'a':'b'}", 400],
  ["a comment", "{/* */}", 400],
  ["65,537 bytes", `"${"a".repeat(65_535)}"`, 413],
])("B2: %s is refused", (_name, text, status) => {
  expect(statusAndField(text)).toEqual([status, undefined]);
});

test.each([
  ["hello", 'at line 1, column 1 there is "h", where a value is expected'],
  ['{"a":}', 'at line 1, column 6 there is "}", where a value is expected'],
  ['{\n  "a": "1"\n  : "2"}', 'at line 3, column 3 there is ":", where "}" is expected'],
  ['{"a":"1"', 'at line 1, column 9 the body ends, where "}" is expected'],
  ["", "at line 1, column 1 the body ends, where a value is expected"],
  ["{a:1}", `there is "a", where a field's name in double quotes is expected`],
  ['{"a":\u00e9}', "there is a character that does not belong, where a value is expected"],
  ["{}{}", 'at line 1, column 3 there is "{", where the end is expected'],
])("B2: whoever sends %s is told where it ceases to be JSON", (text, words) => {
  expect((read(text) as HttpProblem).message).toContain(words);
});

test("B2: the limits themselves are allowed", () => {
  expect(read(nested(32))).toEqual(JSON.parse(nested(32)));
  expect(Object.keys(read(wide(1_000)) as object)).toHaveLength(1_000);
  expect(read(`"${"a".repeat(65_534)}"`)).toHaveLength(65_534);
});

/** As a body of that message. */
function refusalOf(schema: Parameters<typeof toMessage>[0], text: string): unknown {
  const json = read(text);
  if (json instanceof HttpProblem) return [json.code, json.field];
  try {
    return toMessage(schema, json as JsonObject);
  } catch (error) {
    if (error instanceof HttpProblem) return [error.code, error.field];
    throw error;
  }
}

// bad input B3
test.each(["1", "1.005", "-0", "1e400", "-1", "9223372036854775808", "NaN", "-Infinity", "0"])(
  "B3: the number %s is 422 with its path",
  (number) => {
    const amount = refusalOf(CreateEscrowRequestSchema, `{"amount":{"amount":${number}}}`);
    expect(amount).toEqual(["INVALID_FIELD", "amount.amount"]);
    const listed = refusalOf(CreateApiKeyRequestSchema, `{"scopes":["a",${number}]}`);
    expect(listed).toEqual(["INVALID_FIELD", "scopes[1]"]);
    const paired = refusalOf(CreateEscrowRequestSchema, `{"metadata":{"a":${number}}}`);
    expect(paired).toEqual(["INVALID_FIELD", "metadata.a"]);
  },
);

test("B3: a number under a name that is no field's is told as that name", () => {
  const text = '{"title":"A used lens","amout":5000}';
  expect(refusalOf(CreateEscrowRequestSchema, text)).toEqual(["UNKNOWN_FIELD", "amout"]);
  const nested = '{"amount":{"amout":5000}}';
  expect(refusalOf(CreateEscrowRequestSchema, nested)).toEqual(["UNKNOWN_FIELD", "amount.amout"]);
});

// bad input B4
test.each(["\\u0000", "\\ud800", "\\udc00x", "\\u0007", "\\u001b", "\\u007f", "\\u0085"])(
  "B4: a text with %s is 422 with its path",
  (written) => {
    expect(statusAndField(`{"note":"a${written}"}`)).toEqual([422, "note"]);
  },
);

test("B4: right-to-left marks, zero-width, emoji, both normal forms and lines stay byte-equal", () => {
  const text = "\u202eabc\u200b \u00e9 e\u0301 🔭\n\t";
  expect(read(JSON.stringify({ text }))).toEqual({ text });
});

// bad input B5
test.each(["__proto__", "constructor", "prototype", "\\u005f_proto__"])(
  "B5: the key %s is 422 and nothing is polluted",
  (key) => {
    expect(read(`{"a":{"${key}":{"polluted":"yes"}}}`)).toMatchObject({ status: 422 });
    expect("polluted" in {}).toBe(false);
  },
);

test("webhooks may hold up to 256 KiB", () => {
  expect(read(`"${"a".repeat(200_000)}"`, webhookLimits)).toHaveLength(200_000);
});

const asWritten = (value: unknown) => JSON.stringify(value);
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "grapheme" }),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: "grapheme" }), tie("value"), { maxKeys: 5 }),
  ),
})).value;

test("whatever it accepts, JSON.parse reads the same way", () => {
  let accepted = 0;
  fc.assert(
    fc.property(anything.map(asWritten), (text) => {
      const result = read(text);
      if (result instanceof HttpProblem) return;
      accepted += 1;
      expect(result).toEqual(JSON.parse(text));
    }),
    { numRuns: 2_000 },
  );
  expect(accepted).toBeGreaterThan(1_000);
});

const pieces = ['"', "\\", "{", "}", "[", "]", ":", ",", " ", "\n", "a", "1", "-", ".", "e", "u00"];
const nearlyJson = fc
  .array(fc.constantFrom(...pieces, '"a"', "true", "null", "NaN", "\\n", "\u0000", "é"))
  .map((parts) => parts.join(""));

test("what JSON.parse refuses is refused, and nothing but a problem is ever thrown", () => {
  fc.assert(
    fc.property(nearlyJson, (text) => {
      const result = read(text, webhookLimits);
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        return expect(result).toBeInstanceOf(HttpProblem);
      }
      if (!(result instanceof HttpProblem)) expect(result).toEqual(parsed);
    }),
    { numRuns: 10_000 },
  );
});

test("random bytes never throw anything but a problem", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      read(bytes);
    }),
    { numRuns: 5_000 },
  );
});
