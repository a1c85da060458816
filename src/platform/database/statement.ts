/**
 * Turns a tagged template into one constant statement text and its parameters in PostgreSQL's text
 * format. Both adapters bind these strings with no type of their own, so the server infers every
 * type from the statement: the same text means the same on both, and prepared statements are reused.
 */
import { SqlColumns, type SqlIdentifier, SqlName, type SqlValue } from "./database.ts";

export interface Statement {
  readonly text: string;
  readonly params: readonly (string | null)[];
}

/** A template's texts by the names put into it: nearly always one entry. */
const texts = new WeakMap<TemplateStringsArray, Map<string, string>>();

export function statement(
  strings: TemplateStringsArray,
  values: readonly (SqlValue | SqlIdentifier)[],
): Statement {
  const params: (string | null)[] = [];
  let names = "";
  for (const value of values) {
    if (isIdentifier(value)) names += `${value.text},`;
    else params.push(encode(value));
  }
  let known = texts.get(strings);
  if (known === undefined) {
    known = new Map();
    texts.set(strings, known);
  }
  let text = known.get(names);
  if (text === undefined) {
    text = statementText(strings, values);
    known.set(names, text);
  }
  return { text, params };
}

function statementText(
  strings: TemplateStringsArray,
  values: readonly (SqlValue | SqlIdentifier)[],
): string {
  let text = strings[0] ?? "";
  let position = 0;
  values.forEach((value, index) => {
    if (isIdentifier(value)) text += value.text;
    else {
      position += 1;
      text += `$${position}`;
    }
    text += strings[index + 1] ?? "";
  });
  return text;
}

function isIdentifier(value: SqlValue | SqlIdentifier): value is SqlIdentifier {
  return value instanceof SqlName || value instanceof SqlColumns;
}

/** One bound value in PostgreSQL's text format; null stays null. */
export function encode(value: SqlValue): string | null {
  if (value === null) return null;
  if (isArray(value)) return `{${value.map(encodeElement).join(",")}}`;
  return encodeScalar(value);
}

function isArray(value: SqlValue): value is Extract<SqlValue, readonly unknown[]> {
  return Array.isArray(value);
}

function encodeScalar(value: Exclude<SqlValue, null | readonly unknown[]>): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "t" : "f";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return encodeBytes(value);
  throw new TypeError(`cannot be bound to a statement: ${typeof value}`);
}

/** Also for bytes inside a JSON text that PostgreSQL turns into rows. */
export function encodeBytes(bytes: Uint8Array): string {
  return `\\x${bytes.toHex()}`;
}

const needsEscape = /[\\"]/;

function encodeElement(value: string | number | bigint | boolean | Date | null): string {
  if (value === null) return "NULL";
  if (typeof value !== "string") return encodeScalar(value);
  return needsEscape.test(value) ? `"${value.replace(/[\\"]/g, "\\$&")}"` : `"${value}"`;
}
