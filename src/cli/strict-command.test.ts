/** What is said of words nobody knows is enough to find them, and no secret that stands in them. */
import { expect, test } from "bun:test";
import { StrictCommand } from "./strict-command.ts";

async function said(...words: readonly string[]): Promise<string> {
  let text = "";
  const program = new StrictCommand("app", () => "").exitOverride().configureOutput({
    writeErr: (part) => {
      text += part;
    },
  });
  program.command("serve").option("--port <number>").exitOverride();
  const ended = await program.parseAsync(words, { from: "user" }).catch(() => undefined);
  expect(ended).toBeUndefined();
  return text;
}

const secret = "s3cretS3CRETvalue";

test.each([
  [["serve", "--jwt-secrt", `-${secret}`], "unknown option '--jwt-secrt'"],
  [["serve", "--jwt-secrt", `--${secret}`], "unknown option '--jwt-secrt'"],
  [["serve", "--jwt-secrt", secret], "unknown option '--jwt-secrt'"],
  [["serve", `--jwt-secrt=${secret}`], "unknown option '--jwt-secrt'"],
  [["serve", `--DATABASE_PASSWORD:${secret}`], "unknown option '--DATABASE'"],
  [["serve", `-p${secret}`], "unknown option '-p'"],
  [["serve", `-DDATABASE_PASSWORD:${secret}`], "unknown option '-D'"],
  [["serve", "--zebra=1", "--prot", secret], "unknown option '--prot' (Did you mean --port?)"],
  [[`JWT_SECRET=${secret}`], "unknown command 'JWT_SECRET'"],
  [[`x${secret}`], "unknown command 'xs3c…'"],
  [["sevre"], "unknown command 'sevre'\n(Did you mean serve?)"],
  [["serve", `up=${secret}`, "down"], "for 'serve'. Expected 0 arguments but got 2: up, down."],
  [["serve", `x${secret}`], "Expected 0 arguments but got 1: xs3c…."],
])("of %j only this is said: %s", async (words, expected) => {
  const text = await said(...words);
  expect(text).toContain(expected);
  expect(text).not.toContain(secret);
});
