/**
 * Many tests begin with a number ("K5:", "pitfall 34:", "seed A5:"). Each can be looked up in
 * docs/numbers.md, the seeds' in docs/seeds.md, and no row of docs/numbers.md is left without a test.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { root, run } from "../../scripts/process.ts";

const words = ["bad input", "crash point", "invariant", "pitfall", "seed", "story"] as const;
const item = `(?:(?:${words.map(plural).join("|")}) )?[A-Z]?\\d+[a-z]?`;
const prefix = new RegExp(`["'\`](?=[a-z]+ |[A-Z])(${item}(?:(?:, | and )${item})*)[:,] `, "g");

/** What a letter without a word means; every other one is a feature's. */
const bare: Readonly<Record<string, string>> = { B: "bad input", E: "measurement", F: "fault" };
/** The letter that a word's numbers have; a seed's have any, the others have none. */
const letters: Readonly<Record<string, RegExp>> = {
  "bad input": /^B/,
  "crash point": /^K/,
  invariant: /^I/,
  seed: /^[A-Z]/,
};

function plural(word: string): string {
  return word === "story" ? "stor(?:y|ies)" : `${word}s?`;
}

/** A word holds for the numbers behind it, as long as they can be of its kind. */
function kindsOf(list: string): string[] {
  let word = "";
  return list.split(/, | and /).map((one) => {
    const number = one.replace(/^.* /, "");
    word = words.find((each) => new RegExp(`^${plural(each)} `).test(one)) ?? word;
    if ((letters[word] ?? /^\d/).test(number)) return `${word} ${number}`;
    return `${bare[number.slice(0, 1)] ?? "feature"} ${number}`;
  });
}

function used(text: string): string[] {
  return [...text.matchAll(prefix)].flatMap(([, list = ""]) => kindsOf(list));
}

/** Rows of tables below a heading that names their kind: `## Bad inputs` and `| B3 | …`. */
function explained(page: string): string[] {
  return page.split(/^## /m).flatMap((section) => {
    const kind = section
      .replace(/\n[\s\S]*/, "")
      .toLowerCase()
      .replace(/ies$/, "y")
      .replace(/s$/, "");
    return [...section.matchAll(/^\| ([A-Z]?\d+[a-z]?) \|/gm)].map(([, row]) => `${kind} ${row}`);
  });
}

function seeds(page: string): string[] {
  return [...page.matchAll(/^\| ([A-Z]\d+) /gm)].map(([, row]) => `seed ${row}`);
}

const without = (all: readonly string[], known: readonly string[]): string[] =>
  [...new Set(all)].filter((one) => !known.includes(one)).sort();

const page = await Bun.file(join(root, "docs/numbers.md")).text();
const seedRows = seeds(await Bun.file(join(root, "docs/seeds.md")).text());
const paths = (await run(["git", "ls-files", "-z", "*.test.ts"])).split("\0");
const others = paths.filter((path) => path !== "" && !path.endsWith("/numbers.test.ts"));
const texts = await Promise.all(others.map((path) => Bun.file(join(root, path)).text()));
const inUse = texts.flatMap(used);

test("a number is read with its kind, wherever a word holds for several", () => {
  const names = [
    "test('K3, K5: a')",
    'test("seed B1, B2: b")',
    '"R1, pitfalls 14 and 22: c"',
    "`pitfall 42, A5: d`",
    '"crash points K8, K9: e"',
    '"story 8p: f", "more than 100 times: g", "E14, the naive way: h", "3a:dead"',
  ];
  expect(names.map(used)).toEqual([
    ["feature K3", "feature K5"],
    ["seed B1", "seed B2"],
    ["feature R1", "pitfall 14", "pitfall 22"],
    ["pitfall 42", "feature A5"],
    ["crash point K8", "crash point K9"],
    ["story 8p", "measurement E14"],
  ]);
});

test("every number that a test begins with is explained", () => {
  const known = [...explained(page), ...seedRows];
  expect(without(used('"K5, Z9: x", "seed Z9: y"'), known)).toEqual(["feature Z9", "seed Z9"]);
  expect(without(inUse, known)).toEqual([]);
});

test("every number that is explained begins a test", () => {
  expect(without(explained("## Stories\n\n| 99 | x |\n| 1 | y |"), inUse)).toEqual(["story 99"]);
  expect(without(explained(page), inUse)).toEqual([]);
});
