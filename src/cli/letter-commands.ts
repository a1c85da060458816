/**
 * The commands about messages that do not get through: `app dlq` and `app outbox`. Each has the
 * options that mean something to it, so that one that would be ignored is refused instead.
 */
import { type Command, Option } from "commander";
import { discardLetters, listLetters, replayLetters, showLetter } from "./dlq.ts";
import { type CommandTree, whereAsked, withServerOptions } from "./operator-options.ts";
import { listHeldRows, retryHeldRows } from "./outbox.ts";

export function addLetterCommands(program: Command, tree: CommandTree): void {
  addDlq(program, tree);
  addOutbox(program, tree);
}

function addDlq(program: Command, tree: CommandTree): void {
  const { configOf, examples } = tree;
  const byCause = "app dlq list --since PT24H --group";
  const again = "app dlq replay --where fingerprint=0a1b2c3d4e5f --rate 20/s --reason INC-42";
  const dlq = program
    .command("dlq")
    .description("List, show, replay and discard the messages a consumer set aside as failed.")
    .addHelpText("after", whereAsked + examples(byCause, again));
  filtering(withServerOptions(dlq.command("list"), tree))
    .description("Which there are, the oldest first.")
    .option("--limit <n>", "at most so many, up to 1000; 100 when absent")
    .addOption(new Option("--group", "by cause and type, with counts").conflicts("limit"))
    .addHelpText("after", whereAsked + examples("app dlq list --limit 20", byCause))
    .action((options) => listLetters(configOf(options), options));
  withServerOptions(dlq.command("show"), tree)
    .description("One of them: what it says, why it failed, how many wait behind it.")
    .argument("<id>", "the letter, as list shows it")
    .addHelpText(
      "after",
      whereAsked + examples("app dlq show escrow.commands:escrow.commands.v1:3:17"),
    )
    .action((id, options) => showLetter(configOf(options), id, options));
  acting(filtering(withServerOptions(dlq.command("replay"), tree)))
    .description("Try them once more, spread over time.")
    .argument("[id...]", "letters, as list shows them")
    .option("--limit <n>", "at most so many, the oldest first, up to 10000; 1000 when absent")
    .option("--rate <n/s>", "replays a second; 10/s when absent")
    .addHelpText("after", whereAsked + examples("app dlq replay --all --dry-run", again))
    .action((ids, options) => replayLetters(configOf(options), ids, options));
  acting(filtering(withServerOptions(dlq.command("discard"), tree)))
    .description("Give them up; what money depends on takes a second operator.")
    .argument("[id...]", "letters, as list shows them")
    .option("--limit <n>", "at most so many, the oldest first, up to 10000; 1000 when absent")
    .addHelpText(
      "after",
      whereAsked +
        examples("app dlq discard escrow.commands:escrow.commands.v1:3:17 --reason INC-42"),
    )
    .action((ids, options) => discardLetters(configOf(options), ids, options));
}

function addOutbox(program: Command, tree: CommandTree): void {
  const { configOf, examples } = tree;
  const oneAgain = "app outbox retry escrow/1234 --reason INC-42";
  const outbox = program
    .command("outbox")
    .description("List the messages the log refused, and send them again at their old places.")
    .addHelpText("after", whereAsked + examples("app outbox list", oneAgain));
  withServerOptions(outbox.command("list"), tree)
    .description("Which there are, the oldest first.")
    .option("--limit <n>", "at most so many, up to 1000; 100 when absent")
    .addHelpText("after", whereAsked + examples("app outbox list", "app outbox list --json"))
    .action((options) => listHeldRows(configOf(options), options));
  acting(withServerOptions(outbox.command("retry"), tree))
    .description("Send them again, each before what waits behind it.")
    .argument("[id...]", "rows, as list shows them")
    .option("--limit <n>", "at most so many, the oldest first, up to 1000; 1000 when absent")
    .addHelpText(
      "after",
      whereAsked + examples(oneAgain, "app outbox retry --all --limit 5 --dry-run"),
    )
    .action((ids, options) => retryHeldRows(configOf(options), ids, options));
}

function filtering(command: Command): Command {
  return command
    .option("--type <type>", "of the message; its package may be left out")
    .option("--since <when>", "failed last since then: an instant, or a duration such as PT1H")
    .option(
      "--where <key=value...>",
      "topic, key, consumer (or handler), cause, state or fingerprint",
      [],
    );
}

function acting(command: Command): Command {
  return command
    .option("--all", "whatever there is")
    .option(
      "--operator <name>",
      "who you say you are, where no token does; stands beside the system's user",
    )
    .option("--reason <text>", "why, for the audit log; nothing about people")
    .option("--dry-run", "say which they would be, change nothing");
}
