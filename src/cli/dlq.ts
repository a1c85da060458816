/** `app dlq`: lists, shows, replays and discards the messages that failed. */
import { type LetterRequest, LetterRequestSchema } from "#gen/platform/v1/operations_pb";
import { toMessage } from "#platform/http/body";
import { notFound } from "#platform/http/problem";
import type { Config } from "../config.ts";
import type { Discarded } from "../dead-letters/discards.ts";
import { placeOf } from "../dead-letters/letter-id.ts";
import type { GroupView, LetterView, OpenLetterView } from "../dead-letters/letter-view.ts";
import type { Replayed } from "../dead-letters/replays.ts";
import { filterOf, selectionOf } from "../dead-letters/selection.ts";
import { askOperator, type DeskWish, type ServerOptions } from "./ask-operator.ts";
import { ExitError } from "./exit.ts";
import { groupLines, letterLines, openLetterText } from "./letter-text.ts";
import { printed, say } from "./say.ts";
import { checked, limitIn, wholeNumber } from "./usage.ts";

export interface AnswerOptions extends ServerOptions {
  readonly json?: boolean;
}

interface FilterOptions {
  readonly type?: string;
  readonly since?: string;
  readonly where: readonly string[];
}

export interface ListOptions extends AnswerOptions, FilterOptions {
  readonly limit?: string;
  readonly group?: boolean;
}

/** What a replay and a discard have in common. */
export interface ActOptions extends AnswerOptions, FilterOptions {
  readonly limit?: string;
  readonly reason?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

export interface ReplayOptions extends ActOptions {
  readonly rate?: string;
}

const fields = ["topic", "key", "consumer", "cause", "state", "fingerprint"] as const;
/** At once. */
const mostLetters = 10_000;
const realTime = { wall: () => new Date() };
/** What the topic of dead letters calls it, and what the code does. */
const alias: Readonly<Record<string, string>> = { handler: "consumer" };

export async function listLetters(config: Config, options: ListOptions): Promise<void> {
  const filter = filterIn(options);
  const limit = wholeNumber("--limit", options.limit ?? "100", 1_000);
  const wanted = checked(() => filterOf(filter, realTime));
  const query = new URLSearchParams({ ...filter, limit: String(limit) });
  if (options.group) {
    query.set("group", "true");
    const found = await askOperator<{ groups: GroupView[] }>(config, options, {
      method: "GET",
      path: `/v1/dead-letters?${query}`,
      here: async ({ letters }) => ({ groups: await letters.groups(wanted) }),
    });
    return say(options, found, () => printed(groupLines(found.groups), false, none));
  }
  const found = await askOperator<{ items: LetterView[]; more: boolean }>(config, options, {
    method: "GET",
    path: `/v1/dead-letters?${query}`,
    here: ({ letters }) => letters.list(wanted, limit),
  });
  say(options, found, () => printed(letterLines(found.items), found.more, none));
}

const none = "no message is set aside for having failed";

export async function showLetter(
  config: Config,
  id: string,
  options: AnswerOptions,
): Promise<void> {
  if (placeOf(id) === undefined) {
    throw new ExitError(
      2,
      `show: "${id}" is no letter's id, which is such as escrow.commands:escrow.commands.v1:3:17`,
    );
  }
  const letter = await askOperator<OpenLetterView>(config, options, {
    method: "GET",
    path: `/v1/dead-letters/${encodeURIComponent(id)}`,
    here: async ({ letters }) => {
      const found = await letters.show(id);
      if (found === undefined) throw notFound();
      return found;
    },
  });
  say(options, letter, () => openLetterText(letter));
}

export async function replayLetters(
  config: Config,
  ids: readonly string[],
  options: ReplayOptions,
): Promise<void> {
  const { rate } = options;
  const wish = {
    action: "replay",
    ids,
    ...(rate !== undefined && { ratePerSecond: rateIn(rate) }),
  };
  const done = await act<Replayed>(config, options, wish, (desks, operator, request) =>
    desks.letters.replay(request, operator),
  );
  say(options, done, () => {
    const { letters, leftOut, seconds } = done;
    const verb = done.status === "dry_run" ? "would be tried again" : "will be tried again";
    return `${letters} ${verb}, the last in ${Math.ceil(seconds)} s; ${leftOut} left out (gone, or tried too often)\n`;
  });
}

export async function discardLetters(
  config: Config,
  ids: readonly string[],
  options: ActOptions,
): Promise<void> {
  const wish = { action: "discard", ids };
  const done = await act<Discarded>(config, options, wish, (desks, operator, request) =>
    desks.letters.discard(request, operator),
  );
  say(options, done, () => discardText(done));
}

function discardText({ status, letters, approvalId, needsSecondOperator }: Discarded): string {
  if (status === "discarded") return `${letters} discarded; a copy of each is in the audit log\n`;
  if (status === "dry_run") {
    return `${letters} would be discarded${needsSecondOperator ? ", by two operators" : ""}\n`;
  }
  return (
    `${letters} wait for a second operator, since money depends on them: another one sends\n` +
    `  POST /v1/approvals/${approvalId}/approve\n`
  );
}

type Desks = Parameters<DeskWish<unknown>["here"]>;

interface Act {
  readonly action: string;
  readonly ids: readonly string[];
  readonly ratePerSecond?: string;
}

async function act<T>(
  config: Config,
  options: ActOptions,
  { action, ids, ...rate }: Act,
  here: (desks: Desks[0], operator: Desks[1], request: LetterRequest) => Promise<T>,
): Promise<T> {
  const filter = filterIn(options);
  const { all = false, dryRun = false, reason } = options;
  if (ids.length === 0 && Object.keys(filter).length === 0 && !all) {
    throw new ExitError(2, `${action}: name ids, or --type, --since, --where, or --all`);
  }
  if (reason === undefined && !dryRun) throw new ExitError(2, `${action} needs --reason`);
  const body = {
    ids: [...ids],
    ...(Object.keys(filter).length > 0 && { filter }),
    all,
    dryRun,
    reason: reason ?? "dry run",
    ...rate,
    ...(options.limit !== undefined && { limit: limitIn(ids, options.limit, mostLetters) }),
  };
  // The same rules as the server's, where none runs.
  const request = checked(() => toMessage(LetterRequestSchema, body));
  checked(() => selectionOf(request, realTime));
  return askOperator<T>(config, options, {
    method: "POST",
    path: `/v1/dead-letters/${action}`,
    body,
    here: (desks, operator) => here(desks, operator, request),
  });
}

function rateIn(text: string): string {
  const [, rate = "0"] = /^([0-9]{1,4}(?:[.][0-9]{1,2})?)(?:\/s)?$/.exec(text) ?? [];
  if (Number(rate) > 0) return rate;
  throw new ExitError(2, `--rate: "${text}" is no rate from 0.01/s to 9999/s, such as 20/s`);
}

function filterIn({ type, since, where }: FilterOptions): Record<string, string> {
  const filter: Record<string, string> = {
    ...(type !== undefined && { type }),
    ...(since !== undefined && { since }),
  };
  for (const condition of where) {
    const at = condition.indexOf("=");
    const given = condition.slice(0, Math.max(0, at));
    const name = alias[given] ?? given;
    if (!fields.some((field) => field === name)) {
      throw new ExitError(2, `--where: "${condition}" is none of ${fields.join("=, ")}=`);
    }
    filter[name] = condition.slice(at + 1);
  }
  return filter;
}
