/** What `app dlq` and `app outbox` take: each its own options, and no word that would be ignored. */
import { expect, test } from "bun:test";
import { Command } from "commander";
import { explain } from "./exit.ts";
import { addLetterCommands } from "./letter-commands.ts";

/** How a command line ends that must not come to its action. */
async function ending(...args: readonly string[]): Promise<{ code: number; said: string }> {
  let said = "";
  const program = new Command("app").exitOverride();
  program.configureOutput({
    writeErr: (text) => {
      said += text;
    },
  });
  addLetterCommands(program, {
    located: (command) => command,
    configOf: () => {
      throw new Error("the command would have begun");
    },
    examples: () => "",
  });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    return { code: explain(error).code, said };
  }
  throw new Error("it ended well");
}

test.each([
  ["dlq list --reason INC-1", "unknown option '--reason'"],
  ["dlq list --all", "unknown option '--all'"],
  ["dlq list --dry-run", "unknown option '--dry-run'"],
  ["dlq list --rate 5", "unknown option '--rate'"],
  ["dlq list --group --limit 5", "'--group' cannot be used with option '--limit"],
  ["dlq list one", "too many arguments"],
  ["dlq show id --limit 5", "unknown option '--limit'"],
  ["dlq show", "missing required argument 'id'"],
  ["dlq discard --all --rate 5", "unknown option '--rate'"],
  ["dlq replay --group", "unknown option '--group'"],
  ["dlq look", "unknown command 'look'"],
  ["dlq --nonsense", "unknown option '--nonsense'"],
  ["outbox list --reason INC-1", "unknown option '--reason'"],
  ["outbox list --all", "unknown option '--all'"],
  ["outbox retry --where key=k", "unknown option '--where'"],
])("`app %s` is a matter of usage: %s", async (line, words) => {
  const { code, said } = await ending(...line.split(" "));
  expect(code).toBe(2);
  expect(said).toContain(words);
});
