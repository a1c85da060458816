/**
 * Reconciles each provider once an interval, and whenever an operator asks: one process at a time.
 * Each reading overlaps the one before, because a provider's list may lag.
 */
import type { Database } from "#platform/database/database";
import { HttpProblem } from "#platform/http/problem";
import type { Worker } from "#platform/module";
import type { PaymentProvider, Providers } from "../provider.ts";
import { stopsOf } from "../stops/provider-stops.ts";
import { type BreakRow, openBreaks } from "./breaks.ts";
import { freshMs } from "./classify.ts";
import { createProviderTasks, type TaskClaim } from "./provider-tasks.ts";
import { type ReconcileDeps, type Reconciled, reconcile } from "./reconcile.ts";

export interface ReconcilerOptions extends ReconcileDeps {
  readonly providers: Providers;
  readonly everyMs: number;
}

export interface ReconcileRequest {
  /** All when absent. */
  readonly provider?: string | undefined;
  readonly from?: Date | undefined;
  readonly until?: Date | undefined;
}

export interface ProviderReport extends Reconciled {
  readonly provider: string;
  readonly from: string;
  readonly until: string;
  /** When what is too recent now can be judged, counted from its movement. */
  readonly judgedAfterSeconds: number;
  readonly stopped: boolean;
  /** Open ones of the provider, whenever found. */
  readonly breaks: readonly BreakView[];
}

/** Money in minor units, as text. */
export interface BreakView {
  readonly breakId: string;
  readonly kind: string;
  readonly category: string;
  readonly escrowId: string;
  readonly reference: string;
  readonly currency: string;
  readonly ours: { readonly amount: string; readonly fee: string };
  readonly theirs: { readonly amount: string; readonly fee: string };
  readonly foundAt: string;
  readonly ageSeconds: number;
  readonly accepted: boolean;
}

export interface Reconciler {
  readonly worker: Worker;
  run(request: ReconcileRequest): Promise<readonly ProviderReport[]>;
}

const overlapMs = 24 * 3_600_000;
const failedMs = 10 * 60_000;

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { db, clock, logger, providers, everyMs } = options;
  const tasks = createProviderTasks(options);

  async function once(provider: PaymentProvider, claim: TaskClaim, request: ReconcileRequest) {
    const now = clock.now();
    const next = new Date(now.getTime() + everyMs);
    const { from = await startOf(db, claim, now), until = now } = request;
    try {
      const done = await reconcile(provider, { from, until }, options);
      // A stretch that an operator chose says nothing about what lies before it.
      const whole = request.from === undefined && request.until === undefined;
      await tasks.finish(claim, { dueAt: next, ...(whole && { doneUntil: until }) });
      return { ...done, from: from.toISOString(), until: until.toISOString() };
    } catch (error) {
      await tasks.giveUp(claim, new Date(now.getTime() + Math.min(failedMs, everyMs)));
      throw error;
    }
  }

  return {
    worker: {
      name: "payments.reconciliation",
      idleMs: 5_000,
      step: async () => {
        for (const [name, provider] of providers) {
          const claim = await tasks.claim(name, "reconcile");
          if (claim === undefined) continue;
          const { movements, compared } = await once(provider, claim, {});
          logger.info({ provider: name, movements, compared }, "reconciled");
          return "worked";
        }
        return "idle";
      },
    },
    run: async (request) => {
      const reports: ProviderReport[] = [];
      for (const [name, provider] of chosen(providers, request)) {
        const claim = await tasks.claim(name, "reconcile", true);
        if (claim === undefined) {
          throw new HttpProblem("CONFLICT", `${name} is being reconciled: try again in a moment.`);
        }
        const done = await once(provider, claim, request);
        const breaks = (await openBreaks(db, name)).map((row) => breakView(row, clock.now()));
        const stopped = (await stopsOf(db)).has(name);
        const judgedAfterSeconds = freshMs / 1_000;
        reports.push({ provider: name, ...done, judgedAfterSeconds, stopped, breaks });
      }
      return reports;
    },
  };
}

function chosen(providers: Providers, { provider }: ReconcileRequest) {
  const all = [...providers].filter(([name]) => provider === undefined || name === provider);
  if (all.length === 0) throw new HttpProblem("NOT_FOUND", "There is no such provider.");
  return all;
}

/** Where the last reading ended, less the overlap; the first one begins with the books. */
async function startOf(db: Database, { doneUntil }: TaskClaim, now: Date): Promise<Date> {
  if (doneUntil !== undefined) return new Date(doneUntil.getTime() - overlapMs);
  const [row] = await db.sql<{ first: Date | null }>`
    SELECT min(created_at) AS first FROM payments.payment`;
  return new Date((row?.first ?? now).getTime() - overlapMs);
}

export function breakView(row: BreakRow, now: Date): BreakView {
  const side = (amount: bigint, fee: bigint) => ({ amount: `${amount}`, fee: `${fee}` });
  return {
    breakId: row.break_id,
    kind: row.kind,
    category: row.category,
    escrowId: row.escrow_id ?? "",
    reference: row.key,
    currency: row.currency,
    ours: side(row.ours, row.ours_fee),
    theirs: side(row.theirs, row.theirs_fee),
    foundAt: row.found_at.toISOString(),
    ageSeconds: Math.floor((now.getTime() - row.found_at.getTime()) / 1_000),
    accepted: row.accepted_at !== null,
  };
}
