/** `app outbox`: the messages the log refused, and back into the line with them. */
import { RetryHeldRequestSchema } from "#gen/platform/v1/operations_pb";
import { toMessage } from "#platform/http/body";
import type { Config } from "../config.ts";
import type { HeldView, Retried } from "../dead-letters/held-desk.ts";
import { askOperator, type ServerOptions } from "./ask-operator.ts";
import { checked, say, wholeNumber } from "./dlq.ts";
import { ExitError } from "./exit.ts";
import { heldLines, printed } from "./letter-text.ts";

export interface OutboxCommandOptions extends ServerOptions {
  readonly limit?: string;
  readonly reason?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function runOutbox(
  config: Config,
  action: string,
  ids: readonly string[],
  options: OutboxCommandOptions,
): Promise<void> {
  if (action === "list" && ids.length === 0) return list(config, options);
  if (action === "retry") return retry(config, ids, options);
  throw new ExitError(2, "expected list, or retry ID…");
}

async function list(config: Config, options: OutboxCommandOptions): Promise<void> {
  const limit = wholeNumber("--limit", options.limit ?? "100", 1_000);
  const found = await askOperator<{ items: HeldView[]; more: boolean }>(config, options, {
    method: "GET",
    path: `/v1/outbox/held?limit=${limit}`,
    here: ({ held }) => held.list(limit),
  });
  say(options, found, () =>
    printed(heldLines(found.items), found.more, "the log has refused nothing"),
  );
}

async function retry(
  config: Config,
  ids: readonly string[],
  options: OutboxCommandOptions,
): Promise<void> {
  const { all = false, dryRun = false, reason } = options;
  if (ids.length === 0 && !all) throw new ExitError(2, "retry: name ids, or --all");
  if (reason === undefined && !dryRun) throw new ExitError(2, "retry needs --reason");
  const body = { ids: [...ids], all, dryRun, reason: reason ?? "dry run" };
  const request = checked(() => toMessage(RetryHeldRequestSchema, body));
  const done = await askOperator<Retried>(config, options, {
    method: "POST",
    path: "/v1/outbox/retry",
    body,
    here: ({ held }, operator) => held.retry(request, operator),
  });
  say(options, done, () => {
    const verb = done.status === "dry_run" ? "would be sent again" : "will be sent again";
    return `${done.rows} ${verb}, each before what waits behind it; ${done.leftOut} left out (not held any more)\n`;
  });
}
