/**
 * What proves the books without being asked: the sweep for lost webhooks, reconciliation, the line
 * it stops, conservation, and the figures all of them show. None of it moves anybody's money.
 */
import type { Database } from "#platform/database/database";
import type { Worker } from "#platform/module";
import type { Metrics } from "#platform/telemetry/metrics";
import { type Cover, coverOf, isUncovered, marginOf } from "../ledger/cover.ts";
import { createReconciler, type Reconciler } from "../reconciliation/reconciler.ts";
import { createStoppedLine } from "../stops/stopped-line.ts";
import { createSweep } from "../webhooks/sweep.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { type Conservation, createConservation } from "./conservation.ts";
import { registerMoneyHeld } from "./money-held.ts";
import { createRestingLook } from "./resting-look.ts";

/** How often the books are held against the providers', and what they may differ by. */
export interface ProofConfig {
  readonly reconcileEveryMs: number;
  readonly sweepEveryMs: number;
  /** A break that weighs more, in minor units, stops releases through its provider. */
  readonly toleranceMinor: bigint;
}

export interface ProofOptions extends PaymentWorkerDeps {
  readonly proof: ProofConfig;
  /** Absent: nothing is shown. */
  readonly metrics?: Metrics | undefined;
}

export interface Proof {
  readonly workers: readonly Worker[];
  readonly reconcile: Reconciler["run"];
  /** Where less lies than is owed beyond sellers' fees to come, as the last look saw it. */
  readonly uncovered: () => Promise<readonly Cover[]>;
}

export function createProof(options: ProofOptions): Proof {
  const { db, metrics, proof } = options;
  const { reconcileEveryMs, sweepEveryMs, toleranceMinor } = proof;
  const reconciler = createReconciler({ ...options, everyMs: reconcileEveryMs, toleranceMinor });
  const conservation = createConservation(options);
  if (metrics !== undefined) {
    registerFigures(metrics, db, conservation);
    registerMoneyHeld(metrics, options);
  }
  return {
    workers: [
      createStoppedLine(options),
      createSweep({ ...options, everyMs: sweepEveryMs }),
      reconciler.worker,
      conservation.worker,
    ],
    reconcile: reconciler.run,
    uncovered: uncoveredBy(options),
  };
}

/** A look goes through all escrows, and a probe asks every few seconds. */
function uncoveredBy({ db, clock }: ProofOptions): Proof["uncovered"] {
  const look = createRestingLook(() => coverOf(db), clock);
  return async () => (await look()).filter(isUncovered);
}

function registerFigures(metrics: Metrics, db: Database, { last }: Conservation): void {
  metrics.gauge("ledger_violations", "Broken rules of the books, last round", [], async () => {
    const round = last();
    return round === undefined ? [] : [{ labels: {}, value: round.violations }];
  });
  metrics.gauge(
    "provider_cover_minor",
    "Clearing less what is owed beyond sellers' fees to come, minor units",
    ["provider", "currency"],
    async () =>
      (last()?.cover ?? []).map((one) => ({
        labels: { provider: one.provider, currency: one.currency },
        value: Number(marginOf(one)),
      })),
  );
  metrics.gauge("reconciliation_breaks", "Open breaks", ["provider", "kind"], async () => {
    const rows = await db.sql<{ provider: string; kind: string; n: bigint }>`
      SELECT provider, kind, count(*) AS n FROM payments.reconciliation_break
      WHERE closed_at IS NULL GROUP BY provider, kind`;
    return rows.map(({ provider, kind, n }) => ({ labels: { provider, kind }, value: Number(n) }));
  });
  metrics.gauge(
    "reconciliation_oldest_break_age_seconds",
    "Age of the oldest open break; by business time",
    ["provider"],
    async () => {
      const rows = await db.sql<{ provider: string; age: string }>`
        SELECT provider, extract(epoch FROM payments.app_now() - min(found_at))::text AS age
        FROM payments.reconciliation_break WHERE closed_at IS NULL GROUP BY provider`;
      return rows.map(({ provider, age }) => ({ labels: { provider }, value: Number(age) }));
    },
  );
  metrics.gauge("provider_stopped", "Releases are stopped", ["provider"], async () => {
    const rows = await db.sql<{ provider: string }>`SELECT provider FROM payments.provider_stop`;
    return rows.map(({ provider }) => ({ labels: { provider }, value: 1 }));
  });
  metrics.gauge(
    "reconciliation_age_seconds",
    "How far back the last whole reading of a provider's books ended; by business time",
    ["provider"],
    async () => {
      const rows = await db.sql<{ provider: string; age: string }>`
        SELECT provider, extract(epoch FROM payments.app_now() - done_until)::text AS age
        FROM payments.provider_task WHERE task = 'reconcile' AND done_until IS NOT NULL`;
      return rows.map(({ provider, age }) => ({ labels: { provider }, value: Number(age) }));
    },
  );
}
