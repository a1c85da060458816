/**
 * `app reconcile`: the books against the providers' own, every open break with its age, exit 5 when
 * one is more than a matter of time. To be run before `app serve` after a backup was restored.
 */
import { HttpProblem } from "#platform/http/problem";
import type { Config } from "../config.ts";
import type { Application } from "../roles.ts";
import { askServer } from "./ask-server.ts";
import { ExitError } from "./exit.ts";
import { withApplication } from "./with-application.ts";

export interface ReconcileOptions {
  readonly provider?: string;
  readonly from?: string;
  readonly until?: string;
  readonly json?: boolean;
}

type Reports = Awaited<ReturnType<Application["reconcile"]>>;

export async function runReconcile(config: Config, options: ReconcileOptions): Promise<void> {
  const { provider, json = false } = options;
  const [from, until] = [instantOf(options.from), instantOf(options.until)];
  const query = new URLSearchParams({
    ...(provider !== undefined && { provider }),
    ...(from !== undefined && { from: from.toISOString() }),
    ...(until !== undefined && { until: until.toISOString() }),
  });
  const asked = await askServer<{ providers: Reports }>(
    config,
    `/v1/operations/reconcile?${query}`,
  );
  const providers =
    asked?.providers ??
    (await withApplication(config, (application) =>
      application.reconcile({ provider, from, until }),
    ).catch(refused));
  process.stdout.write(json ? `${JSON.stringify({ providers })}\n` : textOf(providers));
  const breaks = providers.flatMap((report) => report.breaks);
  if (breaks.some(({ kind }) => kind !== "timing")) throw new ExitError(5, "the books differ");
}

function textOf(providers: Reports): string {
  const lines = providers.flatMap((report) => [
    `${report.provider}: ${report.movements} movements read, ${report.compared} things compared, ` +
      `${report.breaks.length} breaks${report.stopped ? ", RELEASES STOPPED" : ""}`,
    ...report.breaks.map(
      ({ kind, escrowId, reference, currency, ours, theirs, ageSeconds }) =>
        `  ${kind} ${escrowId || "nobody's"} ${reference}: ours ${ours.amount} fee ${ours.fee}, ` +
        `theirs ${theirs.amount} fee ${theirs.fee} ${currency}, open for ${ageSeconds} s`,
    ),
  ]);
  return `${lines.join("\n")}\n`;
}

function instantOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const instant = new Date(text);
  if (Number.isNaN(instant.getTime())) throw new ExitError(2, `"${text}" is no instant`);
  return instant;
}

/** What a server would have answered with a status. */
function refused(error: unknown): never {
  throw error instanceof HttpProblem ? new ExitError(2, error.message) : error;
}
