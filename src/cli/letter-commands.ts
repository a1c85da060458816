/** The commands about messages that do not get through: `app dlq` and `app outbox`. */
import type { Command } from "commander";
import type { Config } from "../config.ts";
import { runDlq } from "./dlq.ts";
import { runOutbox } from "./outbox.ts";

interface Tree {
  readonly located: (command: Command) => Command;
  readonly configOf: (options: Record<string, unknown>) => Config;
  readonly examples: (...lines: readonly string[]) => string;
}

const how = `
Asked is the server at --server, else the one that holds --data-dir, else the database itself.`;

export function addLetterCommands(program: Command, tree: Tree): void {
  const { configOf, examples } = tree;
  acting(program.command("dlq"), tree)
    .description("List, show, replay and discard the messages a consumer set aside as failed.")
    .argument("<action>", "list, show, replay or discard")
    .argument("[id...]", "letters, as list shows them")
    .option("--type <type>", "of the message; its package may be left out")
    .option("--since <when>", "failed last since then: an instant, or a duration such as PT1H")
    .option(
      "--where <key=value...>",
      "topic, key, consumer (or handler), cause, state or fingerprint",
      [],
    )
    .option("--rate <n/s>", "replays a second; 10/s when absent")
    .option("--group", "with list: by cause and type, with counts")
    .addHelpText(
      "after",
      how +
        examples(
          "app dlq list --since PT24H --group",
          "app dlq replay --where fingerprint=0a1b2c3d4e5f --rate 20/s --reason INC-42",
        ),
    )
    .action((action, ids, options) => runDlq(configOf(options), action, ids, options));
  acting(program.command("outbox"), tree)
    .description("List the messages the log refused, and send them again at their old places.")
    .argument("<action>", "list or retry")
    .argument("[id...]", "rows, as list shows them")
    .addHelpText(
      "after",
      how + examples("app outbox list", "app outbox retry escrow/1234 --reason INC-42"),
    )
    .action((action, ids, options) => runOutbox(configOf(options), action, ids, options));
}

function acting(command: Command, { located }: Tree): Command {
  return located(command)
    .option("--all", "whatever there is")
    .option("--limit <n>", "at most so many, the oldest first")
    .option("--reason <text>", "why, for the audit log; nothing about people")
    .option("--dry-run", "say which they would be, change nothing")
    .option("--json", "one JSON object on stdout")
    .option("--server <url>", "a running server, as whoever the token is about")
    .option("--token-file <file>", "that token");
}
