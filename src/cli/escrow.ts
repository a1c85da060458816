/** `app escrow timeline`: one deal's whole story, over all modules, by its correlation ids. */
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { TimelineSchema } from "#gen/escrow/v1/queries_pb";
import { notFound } from "#platform/http/problem";
import type { Config } from "../config.ts";
import { askOperator } from "./ask-operator.ts";
import type { AnswerOptions } from "./dlq.ts";
import { type CommandTree, whereAsked, withServerOptions } from "./operator-options.ts";
import { printed, say } from "./say.ts";

/** As the route answers it. */
interface Story {
  readonly items: readonly {
    readonly at: string;
    readonly kind: string;
    readonly type: string;
    readonly actor: string;
    readonly correlationId: string;
    readonly summary: string;
    readonly text: string;
    readonly erased: boolean;
  }[];
}

export function addEscrowCommands(program: Command, tree: CommandTree): void {
  const one = "app escrow timeline esc_1234";
  const escrow = program
    .command("escrow")
    .description("Show what happened to one escrow.")
    .addHelpText("after", whereAsked + tree.examples(one, `${one} --json`));
  withServerOptions(escrow.command("timeline"), tree)
    .description("Its commands, events, provider calls, webhooks, postings and timers, in order.")
    .argument("<id>", "the escrow's")
    .addHelpText("after", whereAsked + tree.examples(one, `${one} --json`))
    .action((id, options) => showTimeline(tree.configOf(options), id, options));
}

async function showTimeline(config: Config, id: string, options: AnswerOptions): Promise<void> {
  const story = await askOperator<Story>(config, options, {
    method: "GET",
    path: `/v1/escrows/${encodeURIComponent(id)}/timeline`,
    here: async (_desks, _operator, application) => {
      const found = await application.timeline(id);
      if (found === undefined) throw notFound();
      const json: unknown = toJson(TimelineSchema, found, { alwaysEmitImplicit: true });
      return json as Story;
    },
  });
  say(options, story, () => printed(story.items.flatMap(lines), false, "nothing has happened yet"));
}

function lines({ at, kind, type, actor, correlationId, summary, ...said }: Story["items"][0]) {
  const words = said.erased ? "(erased)" : said.text;
  return [
    `${at}  ${kind.padEnd(13)}  ${summary || type}`,
    `    ${type}${actor ? `, by ${actor}` : ""}${correlationId ? `, correlation ${correlationId}` : ""}`,
    ...(words === "" ? [] : [`    ${JSON.stringify(words)}`]),
  ];
}
