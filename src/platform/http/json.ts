/**
 * Reads a JSON body more strictly than JSON.parse: bounded depth and size, no duplicate keys, no
 * prototype keys, no lone surrogates or control characters. Whatever it accepts, JSON.parse reads the
 * same way. A number is for `toMessage` to refuse (a double loses cents: amounts are strings), which
 * knows the fields: one that there is not is told as that, whatever it holds.
 */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { HttpProblem } from "./problem.ts";

export interface JsonLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
  readonly maxKeys: number;
}

export const bodyLimits: JsonLimits = {
  maxBytes: 65_536,
  maxDepth: 32,
  maxKeys: 1_000,
};

export const webhookLimits: JsonLimits = {
  maxBytes: 262_144,
  maxDepth: 32,
  maxKeys: 10_000,
};

const prototypeKeys = new Set(["__proto__", "constructor", "prototype"]);
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** Not JSON, but what some clients write for an amount: told apart from a broken body. */
const notANumber = /-?(?:NaN|Infinity)/y;
const literals: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** Throws HttpProblem: 400 for what is not JSON or too deep, 413 too large, 422 for content. */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = bodyLimits): JsonValue {
  if (bytes.length > limits.maxBytes) throw tooLarge(limits.maxBytes);
  const cursor: Cursor = { source: decodeUtf8(bytes), limits, at: 0, keys: 0 };
  const value = readValue(cursor, "", 0);
  skipSpace(cursor);
  if (cursor.at !== cursor.source.length) {
    throw unexpected(cursor, "the end");
  }
  return value;
}

export function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem("BODY_TOO_LARGE", `The body may have at most ${maxBytes} bytes.`);
}

export function numberRefused(field: string): HttpProblem {
  return new HttpProblem("INVALID_FIELD", "Numbers are written as strings.", { field });
}

function malformed(detail: string): HttpProblem {
  return new HttpProblem("MALFORMED_JSON", detail);
}

/** As people count: lines and columns from 1. */
function placeOf({ source, at }: Pick<Cursor, "source" | "at">): string {
  const before = source.slice(0, at).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

function unexpected(cursor: Cursor, wanted: string): HttpProblem {
  const { source, at } = cursor;
  const code = source.codePointAt(at);
  const shown = code !== undefined && code > 0x20 && code < 0x7f;
  const character = shown ? `"${String.fromCodePoint(code)}"` : "a character that does not belong";
  const found = code === undefined ? "the body ends" : `there is ${character}`;
  return malformed(
    `The body is not JSON: at ${placeOf(cursor)} ${found}, where ${wanted} is expected.`,
  );
}

function decodeUtf8(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new HttpProblem("MALFORMED_JSON", "The body is not UTF-8.", { cause: error });
  }
  if (text.charCodeAt(0) === 0xfeff) throw malformed("The body starts with a byte order mark.");
  return text;
}

/** Where reading stands. */
interface Cursor {
  readonly source: string;
  readonly limits: JsonLimits;
  at: number;
  keys: number;
}

function skipSpace(cursor: Cursor): void {
  for (;;) {
    const code = cursor.source.charCodeAt(cursor.at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    cursor.at += 1;
  }
}

/** Takes `character` when it comes next. */
function take(cursor: Cursor, character: string): boolean {
  skipSpace(cursor);
  if (cursor.source[cursor.at] !== character) return false;
  cursor.at += 1;
  return true;
}

function expect(cursor: Cursor, character: string): void {
  if (!take(cursor, character)) {
    throw unexpected(cursor, `"${character}"`);
  }
}

function readValue(cursor: Cursor, path: string, depth: number): JsonValue {
  skipSpace(cursor);
  const next = cursor.source[cursor.at];
  if (next === '"') return readString(cursor, path);
  if (next !== "{" && next !== "[") return readScalar(cursor, path);
  if (depth === cursor.limits.maxDepth) throw malformed(`Nested deeper than ${depth}.`);
  cursor.at += 1;
  return next === "{" ? readObject(cursor, path, depth + 1) : readArray(cursor, path, depth + 1);
}

function readObject(cursor: Cursor, path: string, depth: number): JsonObject {
  const result: JsonObject = {};
  if (take(cursor, "}")) return result;
  const seen = new Set<string>();
  do {
    const name = readKey(cursor, path, seen);
    seen.add(name);
    expect(cursor, ":");
    result[name] = readValue(cursor, fieldPath(path, name), depth);
  } while (take(cursor, ","));
  expect(cursor, "}");
  return result;
}

function readKey(cursor: Cursor, path: string, seen: ReadonlySet<string>): string {
  skipSpace(cursor);
  if (cursor.source[cursor.at] !== '"') throw unexpected(cursor, "a field's name in double quotes");
  const name = readString(cursor, path);
  cursor.keys += 1;
  if (cursor.keys > cursor.limits.maxKeys) throw malformed("Too many keys.");
  if (seen.has(name))
    throw malformed(`A field comes twice: the second ends before ${placeOf(cursor)}.`);
  if (prototypeKeys.has(name)) {
    throw new HttpProblem("UNKNOWN_FIELD", "There is no such field.", {
      field: fieldPath(path, name),
    });
  }
  return name;
}

function readArray(cursor: Cursor, path: string, depth: number): JsonValue[] {
  const result: JsonValue[] = [];
  if (take(cursor, "]")) return result;
  do {
    result.push(readValue(cursor, `${path}[${result.length}]`, depth));
  } while (take(cursor, ","));
  expect(cursor, "]");
  return result;
}

function readString(cursor: Cursor, path: string): string {
  const literal = stringLiteral(cursor.source, cursor.at);
  cursor.at += literal.length;
  // Escapes are checked already: JSON.parse only decodes them.
  const text: string = literal.includes("\\") ? JSON.parse(literal) : literal.slice(1, -1);
  if (!text.isWellFormed() || hasControl(text)) {
    throw new HttpProblem("INVALID_FIELD", "Contains characters that are not text.", {
      field: path,
    });
  }
  return text;
}

function readScalar(cursor: Cursor, path: string): JsonValue {
  for (const [word, meaning] of literals) {
    if (cursor.source.startsWith(word, cursor.at)) {
      cursor.at += word.length;
      return meaning;
    }
  }
  const digits = match(number, cursor);
  if (digits === undefined && match(notANumber, cursor) === undefined) {
    throw unexpected(cursor, "a value");
  }
  if (digits === undefined) throw numberRefused(path);
  cursor.at += digits.length;
  return Number(digits);
}

export function fieldPath(path: string, name: string): string {
  const short = name.slice(0, 64);
  return path === "" ? short : `${path}.${short}`;
}

/** The literal with its quotes; every escape in it is a legal one. */
function stringLiteral(source: string, start: number): string {
  let at = start + 1;
  for (;;) {
    const code = source.charCodeAt(at);
    if (code === 0x22) return source.slice(start, at + 1);
    if (code === 0x5c) at += escapeLength(source, at);
    else if (code >= 0x20) at += 1;
    else {
      throw malformed(
        `A text is not closed, or has a raw control character, at ${placeOf({ source, at })}.`,
      );
    }
  }
}

function escapeLength(source: string, at: number): number {
  const kind = source[at + 1];
  if (kind !== undefined && '"\\/bfnrt'.includes(kind)) return 2;
  if (kind === "u" && /^[0-9a-fA-F]{4}$/.test(source.slice(at + 2, at + 6))) return 6;
  throw malformed(`The backslash at ${placeOf({ source, at })} begins no escape of JSON.`);
}

/** NUL, C0 (tab and line ends are text), DEL and C1: a database refuses or a terminal obeys them. */
function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return true;
    if (code >= 0x7f && code <= 0x9f) return true;
  }
  return false;
}

function match(pattern: RegExp, { source, at }: Cursor): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}
