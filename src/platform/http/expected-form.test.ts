// No caller is shown a regular expression: each pattern of the proto has its words.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expectedForm } from "./expected-form.ts";

const proto = join(import.meta.dir, "../../../proto");

function patterns(): string[] {
  const files = readdirSync(proto, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".proto") && !name.startsWith("buf"),
  );
  const texts = files.map((name) => readFileSync(join(proto, name), "utf8"));
  return texts.flatMap((text) =>
    [...text.matchAll(/pattern\b\s*[:=]\s*"(\^[^"]+)"/g)].map(([, p]) => `${p}`),
  );
}

test("every pattern is told in words", () => {
  const all = [...new Set(patterns())];
  expect(all.length).toBeGreaterThan(10);
  expect(all.filter((pattern) => expectedForm(pattern).includes("["))).toEqual([]);
});

test.each([
  ["^(|0|[1-9][0-9]?|100)$", "Must be a whole number from 0 to 100, as a string."],
  ["^(https://[!-~]+)?$", "Must be a URL that begins with https://, without spaces."],
  ["^(https?://.*)?$", "Must be a URL that begins with https:// or http://."],
  ["^(0|[1-9][0-9]{0,15})$", "Must be a whole number of minor units, as a string such as 10000."],
])("%s: %s", (pattern, words) => {
  expect(expectedForm(pattern)).toBe(words);
});
