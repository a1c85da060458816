/** `app events tail`: the topics' latest messages, decoded; and, followed, what comes after them. */
import type { Command } from "commander";
import type { Config } from "../config.ts";
import { type Tail, type TailedMessage, topicsNamed } from "../messages/tail.ts";
import { askOperator } from "./ask-operator.ts";
import type { AnswerOptions } from "./dlq.ts";
import { type CommandTree, whereAsked, withServerOptions } from "./operator-options.ts";
import { printable } from "./say.ts";
import { checked, wholeNumber } from "./usage.ts";

interface TailOptions extends AnswerOptions {
  readonly topic: readonly string[];
  readonly limit: string;
  readonly follow?: boolean;
}

/** Messages a page; one that is full may have another behind it. */
const pageSize = 1_000;
const pauseMs = 1_000;

export function addEventCommands(program: Command, tree: CommandTree): void {
  const several = "app events tail --topic escrow.events.v1 payments.events.v1 --follow";
  const events = program
    .command("events")
    .description("Show the messages on the topics.")
    .addHelpText("after", whereAsked + tree.examples("app events tail", several));
  withServerOptions(events.command("tail"), tree)
    .description("The latest, decoded; people's texts stay sealed.")
    .option("--topic <name...>", "of these only; all topics of events when absent", [])
    .option("--limit <n>", "so many of the latest, up to 1000", "20")
    .option("-f, --follow", "go on with what comes, until interrupted")
    .addHelpText("after", whereAsked + tree.examples("app events tail --limit 5 --json", several))
    .action((options) => tailEvents(tree.configOf(options), options));
}

async function tailEvents(config: Config, options: TailOptions): Promise<void> {
  const { topic: topics, follow = false } = options;
  const limit = wholeNumber("--limit", options.limit, 1_000);
  checked(() => topicsNamed(topics));
  const ask = (most: number, after?: string) =>
    askOperator<Tail>(config, options, {
      method: "GET",
      path: `/v1/operations/messages?${query(topics, most, after)}`,
      // Without a server the stores stay open for as long as it goes on.
      here: async (_desks, _operator, application) => {
        const page = await application.tail({ topics, limit: most, after });
        if (!follow) return page;
        return goOn(page, options, (cursor) =>
          application.tail({ topics, limit: pageSize, after: cursor }),
        );
      },
    });
  const latest = await ask(limit);
  if (follow) await goOn(latest, options, (after) => ask(pageSize, after));
  else print(latest.items, options);
}

function query(topics: readonly string[], limit: number, after: string | undefined): string {
  const asked = { topic: topics.join(","), limit: String(limit) };
  return new URLSearchParams(after === undefined ? asked : { ...asked, after }).toString();
}

async function goOn(
  latest: Tail,
  options: TailOptions,
  ask: (after: string) => Promise<Tail>,
): Promise<never> {
  for (let page = latest; ; page = await ask(page.next)) {
    print(page.items, options);
    if (page.items.length < pageSize) await Bun.sleep(pauseMs);
  }
}

/** One message a line for programs, two for people. */
function print(items: readonly TailedMessage[], { json = false }: TailOptions): void {
  for (const item of items) {
    process.stdout.write(`${json ? JSON.stringify(item) : printable(lines(item))}\n`);
  }
}

function lines({ at, topic, partition, offset, key, type, correlationId, body }: TailedMessage) {
  const correlated = correlationId === "" ? "" : `, correlation ${correlationId}`;
  return [
    `${at}  ${type}  ${key}`,
    `    ${topic}/${partition} at ${offset}${correlated}`,
    `    ${JSON.stringify(body)}`,
  ].join("\n");
}
