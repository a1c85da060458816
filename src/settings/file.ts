/** Settings out of a TOML file: values under the settings' own names; whatever else stands there is told. */
import { readFileSync } from "node:fs";
import { nearestSetting } from "./nearest.ts";

export interface FileProblem {
  readonly name: string;
  readonly origin: "file" | "flag";
  readonly value: string;
  readonly expected: string;
}

export interface SettingsFile {
  readonly values: Readonly<Record<string, string>>;
  readonly problems: readonly FileProblem[];
}

export function readSettingsFile(path: string, known: readonly string[]): SettingsFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return unreadable(path, "a file that is there and may be read");
  }
  const parsed = parse(text);
  if (typeof parsed === "string") {
    return unreadable(path, `TOML, which line ${brokenLine(text)} is not: ${parsed}`);
  }
  const entries = Object.entries(parsed);
  return {
    values: Object.fromEntries(
      entries.filter(([, value]) => isValue(value)).map(([name, value]) => [name, String(value)]),
    ),
    problems: entries.flatMap(([name, value]) => wrongEntry(name, value, known)),
  };
}

function unreadable(path: string, expected: string): SettingsFile {
  return { values: {}, problems: [{ name: "--config", origin: "flag", value: path, expected }] };
}

/** Or what is wrong, in the parser's words, without the text it quotes: that may be a secret. */
function parse(text: string): Record<string, unknown> | string {
  try {
    return Bun.TOML.parse(text) as Record<string, unknown>;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return words.replace(/^TOML Parse error: /, "").replace(/: ".*$/s, "");
  }
}

/** The parser names no place: it is behind the longest beginning that is TOML. */
function brokenLine(text: string): number {
  const lines = text.split("\n");
  const begins = (length: number) => typeof parse(lines.slice(0, length).join("\n")) !== "string";
  return lines.findLastIndex((_, length) => begins(length)) + 1;
}

function wrongEntry(name: string, value: unknown, known: readonly string[]): FileProblem[] {
  if (!isValue(value)) {
    const expected = "a plain value; tables are not supported";
    return [{ name, origin: "file", value: `[${name}]`, expected }];
  }
  if (known.includes(name)) return [];
  const meant = nearestSetting(name, known);
  const expected = `a known setting's name${meant === undefined ? "" : `: ${meant} is one`}`;
  // It may be a secret's under a wrong name.
  return [{ name, origin: "file", value: "***", expected }];
}

/** A list is one too: its members with commas between. */
function isValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((member) => isValue(member));
  return ["string", "number", "boolean", "bigint"].includes(typeof value);
}
