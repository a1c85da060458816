/** `app dlq`: lists, shows, replays and discards the messages that failed. */
import { type LetterRequest, LetterRequestSchema } from "#gen/platform/v1/operations_pb";
import { toMessage } from "#platform/http/body";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { Config } from "../config.ts";
import type { Discarded } from "../dead-letters/discards.ts";
import type { GroupView, LetterView, OpenLetterView } from "../dead-letters/letter-view.ts";
import type { Replayed } from "../dead-letters/replays.ts";
import { filterOf, selectionOf } from "../dead-letters/selection.ts";
import { askOperator, type ServerOptions, type Wish } from "./ask-operator.ts";
import { ExitError, explain } from "./exit.ts";
import { groupLines, letterLines, openLetterText, printed } from "./letter-text.ts";

export interface DlqOptions extends ServerOptions {
  readonly type?: string;
  readonly since?: string;
  readonly where: readonly string[];
  readonly limit?: string;
  readonly rate?: string;
  readonly reason?: string;
  readonly group?: boolean;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const fields = ["topic", "key", "consumer", "cause", "state", "fingerprint"] as const;
const realTime = { wall: () => new Date() };
/** What the topic of dead letters calls it, and what the code does. */
const alias: Readonly<Record<string, string>> = { handler: "consumer" };

export async function runDlq(
  config: Config,
  action: string,
  ids: readonly string[],
  options: DlqOptions,
): Promise<void> {
  if (action === "list" && ids.length === 0) return list(config, options);
  if (action === "show" && ids.length === 1) return show(config, ids[0] ?? "", options);
  if (action === "replay") return replay(config, ids, options);
  if (action === "discard") return discard(config, ids, options);
  throw new ExitError(2, "expected list, show ID, replay or discard");
}

async function list(config: Config, options: DlqOptions): Promise<void> {
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

async function show(config: Config, id: string, options: DlqOptions): Promise<void> {
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

async function replay(config: Config, ids: readonly string[], options: DlqOptions) {
  const done = await act<Replayed>(config, options, "replay", ids, (desks, operator, request) =>
    desks.letters.replay(request, operator),
  );
  say(options, done, () => {
    const { letters, leftOut, seconds } = done;
    const verb = done.status === "dry_run" ? "would be tried again" : "will be tried again";
    return `${letters} ${verb}, the last in ${Math.ceil(seconds)} s; ${leftOut} left out (gone, or tried too often)\n`;
  });
}

async function discard(config: Config, ids: readonly string[], options: DlqOptions) {
  const done = await act<Discarded>(config, options, "discard", ids, (desks, operator, request) =>
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

type Desks = Parameters<Wish<unknown>["here"]>;

async function act<T>(
  config: Config,
  options: DlqOptions,
  action: string,
  ids: readonly string[],
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
    ...(options.rate !== undefined && { ratePerSecond: rateIn(action, options.rate) }),
    ...(options.limit !== undefined && { limit: options.limit }),
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

function rateIn(action: string, text: string): string {
  if (action !== "replay") throw new ExitError(2, `--rate: ${action} takes none, replay does`);
  const [, rate = "0"] = /^([0-9]{1,4}(?:[.][0-9]{1,2})?)(?:\/s)?$/.exec(text) ?? [];
  if (Number(rate) > 0) return rate;
  throw new ExitError(2, `--rate: "${text}" is no rate from 0.01/s to 9999/s, such as 20/s`);
}

function filterIn({ type, since, where }: DlqOptions): Record<string, string> {
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

export function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number <= most) return number;
  throw new ExitError(2, `${name}: expected a number from 1 to ${most}`);
}

export function checked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    throw new ExitError(2, `${error.field ?? ""}: ${error.message}`);
  }
}

export function say(options: { readonly json?: boolean }, data: object, text: () => string): void {
  // Whoever reads it may have seen enough, as `head` has.
  process.stdout.once("error", (error) => process.exit(explain(error).code));
  process.stdout.write(options.json ? `${JSON.stringify(data)}\n` : text());
}
