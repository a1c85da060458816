/** The rules no linter has: what a file's path and text may not be. Each answers with its finds. */

export interface HouseRule {
  readonly name: string;
  readonly applies: (path: string) => boolean;
  readonly finds: (path: string, text: string) => readonly string[];
}

const ours = (path: string): boolean => !/^(src\/gen|proto\/buf)\//.test(path);
const code = (path: string): boolean => ours(path) && /\.(ts|tsx|mjs|sql|proto)$/.test(path);

/** A thing lives with its one user, or has a name. */
const namelessFolders = ["utils", "helpers", "common", "shared", "services", "types"];

/** Built from parts, so that this file does not hold what it looks for. */
const word = (...parts: string[]): string => parts.join("");
const marks = [word("TO", "DO"), word("FIX", "ME"), word("X", "XX"), word("HA", "CK")];
const unfinished = new RegExp(`\\b(${marks.join("|")})\\b`, "g");
/** Paths of somebody's machine. */
const strangers = [word("/ho", "me/"), word("/Us", "ers/"), word("/ro", "ot/")];

export const houseRules: readonly HouseRule[] = [
  {
    name: "no folder without a name of its own",
    applies: ours,
    finds: (path) =>
      path
        .split("/")
        .slice(0, -1)
        .filter((folder) => namelessFolders.includes(folder)),
  },
  {
    name: "nothing is left to be done",
    applies: code,
    finds: (_path, text) => text.match(unfinished) ?? [],
  },
  {
    name: "the environment is read in one place",
    applies: (path) => path.startsWith("src/") && path !== "src/config.ts",
    finds: (_path, text) => text.match(/\b(process|Bun|import\.meta)\.env\b/g) ?? [],
  },
  {
    name: "a header of the reference is read where its route declares it",
    applies: (path) => path.startsWith("src/") && !path.endsWith("openapi/headers.ts"),
    finds: (_path, text) =>
      text.match(/\breq\.(header|raw\.headers\.get)\("(Idempotency-Key|Prefer|If-Match)"/gi) ?? [],
  },
  {
    name: "no test is skipped or left open",
    applies: (path) => path.endsWith(".test.ts"),
    finds: (_path, text) =>
      text.match(/\b(test|it|describe)\.(skip|skipIf|todo|todoIf|if|only|failing)\b/g) ?? [],
  },
  {
    name: "what is inserted names its columns",
    applies: (path) => path.startsWith("src/") && !path.endsWith(".test.ts"),
    finds: (_path, text) =>
      text.match(/INSERT INTO [^()]{1,80}\s+SELECT (DISTINCT ON \([^)]*\) )?\*/g) ?? [],
  },
  {
    name: "every source says what it is responsible for",
    applies: (path) =>
      ours(path) && /^src\/.*\.tsx?$/.test(path) && !/\.(test|d)\.tsx?$/.test(path),
    finds: (_path, text) => (/^\/\*\*/.test(text) ? [] : ["no comment at the head"]),
  },
  {
    name: "the repository stands alone: no path of one machine",
    applies: ours,
    finds: (_path, text) => strangers.filter((name) => text.includes(name)),
  },
  {
    name: "lock files hold no address",
    applies: (path) => /(^|\/)bun\.lock$/.test(path),
    finds: (_path, text) => text.match(/https?:\/\/[^"]+/g) ?? [],
  },
];

export function broken(rule: HouseRule, files: ReadonlyMap<string, string>): string[] {
  return [...files]
    .filter(([path]) => rule.applies(path))
    .flatMap(([path, text]) => rule.finds(path, text).map((find) => `${path}: ${find}`));
}
