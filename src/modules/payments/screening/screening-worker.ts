/**
 * Asks the screening about everything that waits for it. The question is asked outside any
 * transaction; the answer is kept with its time, source and list version, in the transaction of what
 * follows from it, and counts only while the claim stands.
 */
import type { Tx } from "#platform/database/database";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { type ScreeningAnswer, screeningAnswered } from "../domain/screening-case.ts";
import { createJournal } from "../journal.ts";
import { recordOneByOne } from "../recording/one-by-one.ts";
import { loadSurroundings } from "../recording/surroundings.ts";
import { lockRoots } from "../store.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import type { ScreeningOutcome, WalletScreening } from "./screening.ts";
import { keepAnswer, listVersionsLifted } from "./screening-answers.ts";
import { loadScreenings, type ScreeningRow } from "./screening-rows.ts";

export interface ScreeningWorkerDeps extends PaymentWorkerDeps {
  readonly screening: WalletScreening;
  /** Where wallets are. */
  readonly chainId: string;
}

interface Asked {
  readonly row: ScreeningRow;
  readonly outcome: ScreeningOutcome;
}

const maxClaims = 16;

export function createScreeningWorker(deps: ScreeningWorkerDeps): WakeableWorker {
  const { db, outbox, screening, logger } = deps;
  return {
    name: "payments.screening",
    idleMs: 200,
    onWake: outbox.onWake,
    step: async () => {
      const rows = await claim(deps);
      if (rows.length === 0) return "idle";
      const asked = await Promise.all(
        rows.map(async (row) => ({ row, outcome: await screening.screen(questionOf(row, deps)) })),
      );
      await recordOneByOne(asked, {
        record: (some) => db.withTx((tx) => record(tx, some, deps)),
        setAside: async ({ row }, error) => {
          // Its claim runs out, and it is asked again: nothing passes without an answer.
          logger.error({ err: error, reviewId: row.review_id }, "a screening is not recorded");
        },
      });
      outbox.wake();
      return "worked";
    },
  };
}

async function claim({ db, clock, screening }: ScreeningWorkerDeps): Promise<ScreeningRow[]> {
  const wall = clock.wall();
  const leaseUntil = new Date(wall.getTime() + screening.timeoutMs + 5_000);
  return db.sql<ScreeningRow>`
    UPDATE payments.screening s SET lease_until = ${leaseUntil}, tries = s.tries + 1
    FROM (
      SELECT review_id FROM payments.screening
      WHERE state = 'DUE' AND due_at <= ${clock.now()}
        AND (lease_until IS NULL OR lease_until < ${wall})
      ORDER BY due_at LIMIT ${maxClaims} FOR UPDATE SKIP LOCKED
    ) due
    WHERE s.review_id = due.review_id RETURNING s.*`;
}

function questionOf(
  { review_id, purpose, party_id, address }: ScreeningRow,
  { chainId }: ScreeningWorkerDeps,
) {
  return { reference: review_id, purpose, partyId: party_id, address, chainId };
}

async function record(
  tx: Tx,
  asked: readonly Asked[],
  { clock, outbox }: ScreeningWorkerDeps,
): Promise<void> {
  const now = clock.now();
  const roots = await lockRoots(
    tx,
    asked.map(({ row }) => row.escrow_id),
  );
  const surroundings = await loadSurroundings(tx, [...roots.values()], now);
  const screenings = await loadScreenings(
    tx,
    [...roots.values()].map(({ escrowNo }) => escrowNo),
  );
  const journal = createJournal({ now });
  for (const { row, outcome } of asked) {
    const root = roots.get(row.escrow_id);
    const known = screenings.get(row.escrow_no);
    const screening = known?.get(row.review_id);
    await keepAnswer(tx, row.review_id, outcome, now);
    // Meanwhile an operator blocked it.
    if (root === undefined || screening?.state !== "DUE") continue;
    const around = surroundings.of(root);
    if (around === undefined || known === undefined) continue;
    const answer = await answerOf(tx, row, outcome);
    const effects = screeningAnswered(root.payment, screening, answer, {
      around,
      screenings: known,
    });
    const cause = { correlationId: row.review_id, causationId: row.review_id };
    journal.apply(root, effects, cause);
    surroundings.track(root, effects);
    for (const effect of effects) {
      if (effect.case === "screened") known.set(effect.screening.reviewId, effect.screening);
    }
  }
  await journal.write(tx);
  await outbox.enqueue(tx, journal.outgoing);
}

async function answerOf(
  tx: Tx,
  row: ScreeningRow,
  outcome: ScreeningOutcome,
): Promise<ScreeningAnswer> {
  if (outcome.kind === "unavailable") return { kind: "unavailable" };
  if (!outcome.sanctioned) return { kind: "clear", score: outcome.score };
  const versions = await listVersionsLifted(tx, row);
  return { kind: "sanctioned", lifted: versions.has(outcome.listVersion) };
}
