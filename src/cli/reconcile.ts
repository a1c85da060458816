/**
 * `app reconcile`: the books against the providers' own, every open break with its age, exit 5 when
 * one is more than a matter of time. To be run before `app serve` after a backup was restored.
 */
import { instantOf } from "#platform/http/instant";
import type { Config } from "../config.ts";
import type { Application } from "../roles.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { ExitError } from "./exit.ts";
import { checked } from "./usage.ts";

export interface ReconcileOptions {
  readonly provider?: string;
  readonly from?: string;
  readonly until?: string;
  readonly json?: boolean;
}

type Reports = Awaited<ReturnType<Application["reconcile"]>>;

export async function runReconcile(config: Config, options: ReconcileOptions): Promise<void> {
  const { provider, json = false } = options;
  const from = checked(() => instantOf(options.from, "--from"));
  const until = checked(() => instantOf(options.until, "--until"));
  const query = new URLSearchParams({
    ...(provider !== undefined && { provider }),
    ...(from !== undefined && { from: from.toISOString() }),
    ...(until !== undefined && { until: until.toISOString() }),
  });
  const { providers } = await askOrOpen<{ providers: Reports }>(config, {
    path: `/v1/operations/reconcile?${query}`,
    here: async (application) => ({
      providers: await application.reconcile({ provider, from, until }),
    }),
  });
  process.stdout.write(json ? `${JSON.stringify({ providers })}\n` : textOf(providers));
  const breaks = providers.flatMap((report) => report.breaks);
  if (breaks.some(({ kind }) => kind !== "timing")) throw new ExitError(5, "the books differ");
}

function textOf(providers: Reports): string {
  const lines = providers.flatMap((report) => [
    `${report.provider}: ${report.movements} movements read, ${report.compared} things compared, ` +
      `${report.breaks.length} breaks${tooRecentText(report)}` +
      (report.stopped ? ", RELEASES STOPPED" : ""),
    ...report.breaks.map(
      ({ kind, escrowId, reference, currency, ours, theirs, ageSeconds }) =>
        `  ${kind} ${escrowId || "nobody's"} ${reference}: ours ${ours.amount} fee ${ours.fee}, ` +
        `theirs ${theirs.amount} fee ${theirs.fee} ${currency}, open for ${ageSeconds} s`,
    ),
  ]);
  return `${lines.join("\n")}\n`;
}

/** Else "0 breaks" would promise what only a later run can. */
function tooRecentText({ tooRecent, judgedAfterSeconds }: Reports[number]): string {
  if (tooRecent === 0) return "";
  return `, ${tooRecent} too recent to judge (judged after ${judgedAfterSeconds} s)`;
}
