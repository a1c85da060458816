/** `app outbox`: the messages the log refused, and back into the line with them. */
import { RetryHeldRequestSchema } from "#gen/platform/v1/operations_pb";
import { toMessage } from "#platform/http/body";
import type { Config } from "../config.ts";
import type { HeldView, Retried } from "../dead-letters/held-desk.ts";
import { askOperator, type ServerOptions } from "./ask-operator.ts";
import { ExitError } from "./exit.ts";
import { heldLines } from "./letter-text.ts";
import { printed, say } from "./say.ts";
import { checked, limitIn, wholeNumber } from "./usage.ts";

export interface HeldOptions extends ServerOptions {
  readonly limit?: string;
  readonly json?: boolean;
}

export interface RetryOptions extends HeldOptions {
  readonly reason?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

/** Shown, or sent again, at once. */
const mostRows = 1_000;

export async function listHeldRows(config: Config, options: HeldOptions): Promise<void> {
  const limit = wholeNumber("--limit", options.limit ?? "100", mostRows);
  const found = await askOperator<{ items: HeldView[]; more: boolean }>(config, options, {
    method: "GET",
    path: `/v1/outbox/held?limit=${limit}`,
    here: ({ held }) => held.list(limit),
  });
  say(options, found, () =>
    printed(heldLines(found.items), found.more, "the log has refused nothing"),
  );
}

export async function retryHeldRows(
  config: Config,
  ids: readonly string[],
  options: RetryOptions,
): Promise<void> {
  const { all = false, dryRun = false, reason } = options;
  if (ids.length === 0 && !all) throw new ExitError(2, "retry: name ids, or --all");
  if (reason === undefined && !dryRun) throw new ExitError(2, "retry needs --reason");
  if (ids.length > 0 && all) throw new ExitError(2, "retry: name ids, or --all, not both");
  const body = {
    ids: [...ids],
    all,
    dryRun,
    reason: reason ?? "dry run",
    ...(options.limit !== undefined && { limit: limitIn(ids, options.limit, mostRows) }),
  };
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
