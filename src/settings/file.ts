/** Settings out of a TOML file: values under the settings' own names; whatever else stands there is told. */
import { readFileSync } from "node:fs";
import { nearest } from "./nearest.ts";

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
  try {
    const parsed = Bun.TOML.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    const entries = Object.entries(parsed);
    return {
      values: Object.fromEntries(
        entries.filter(([, value]) => isValue(value)).map(([name, value]) => [name, String(value)]),
      ),
      problems: entries.flatMap(([name, value]) => wrongEntry(name, value, known)),
    };
  } catch {
    const expected = "a readable TOML file";
    return { values: {}, problems: [{ name: "--config", origin: "flag", value: path, expected }] };
  }
}

function wrongEntry(name: string, value: unknown, known: readonly string[]): FileProblem[] {
  if (!isValue(value)) {
    const expected = "a plain value; tables are not supported";
    return [{ name, origin: "file", value: `[${name}]`, expected }];
  }
  if (known.includes(name)) return [];
  const meant = nearest(name, known);
  const expected = `a known setting's name${meant === undefined ? "" : `: ${meant} is one`}`;
  // It may be a secret's under a wrong name.
  return [{ name, origin: "file", value: "***", expected }];
}

/** A list is one too: its members with commas between. */
function isValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((member) => isValue(member));
  return ["string", "number", "boolean", "bigint"].includes(typeof value);
}
