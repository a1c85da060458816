/**
 * Screens refund addresses before they are used. A hit or a risky score refuses the address: nothing
 * is held by it, so nobody has to decide. Without an answer it stays pending and is asked again.
 */
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { backoffMs } from "../domain/calls.ts";
import type { ScreeningOutcome } from "./screening.ts";
import { keepAnswer } from "./screening-answers.ts";
import type { ScreeningWorkerDeps } from "./screening-worker.ts";

interface AddressRow {
  readonly refund_address_id: string;
  readonly party_id: string;
  readonly address: string;
  readonly chain_id: string;
  readonly tries: number;
}

const maxClaims = 16;
const refusedFromScore = 50;
const longestRetryMs = 60_000;

export function createAddressScreening(deps: ScreeningWorkerDeps): WakeableWorker {
  const { outbox, screening } = deps;
  return {
    name: "payments.screen-addresses",
    idleMs: 500,
    onWake: outbox.onWake,
    step: async () => {
      const rows = await claim(deps);
      for (const row of rows) {
        const { refund_address_id: reference, party_id: partyId, address, chain_id } = row;
        const purpose = "REFUND_ADDRESS";
        const question = { reference, purpose, partyId, address, chainId: chain_id } as const;
        await record(deps, row, await screening.screen(question));
      }
      if (rows.length === 0) return "idle";
      outbox.wake();
      return "worked";
    },
  };
}

async function claim({ db, clock, screening }: ScreeningWorkerDeps): Promise<AddressRow[]> {
  const wall = clock.wall();
  const leaseUntil = new Date(wall.getTime() + maxClaims * screening.timeoutMs + 5_000);
  return db.sql<AddressRow>`
    UPDATE payments.refund_address a SET lease_until = ${leaseUntil}, tries = a.tries + 1
    FROM (
      SELECT refund_address_id FROM payments.refund_address
      WHERE status = 'PENDING' AND due_at <= ${clock.now()}
        AND (lease_until IS NULL OR lease_until < ${wall})
      ORDER BY due_at LIMIT ${maxClaims} FOR UPDATE SKIP LOCKED
    ) due
    WHERE a.refund_address_id = due.refund_address_id RETURNING a.*`;
}

async function record(
  { db, clock }: ScreeningWorkerDeps,
  { refund_address_id: id, address, tries }: AddressRow,
  outcome: ScreeningOutcome,
): Promise<void> {
  const now = clock.now();
  const status = statusOf(outcome);
  const waitMs = Math.min(backoffMs(tries), longestRetryMs);
  const dueAt = status === "PENDING" ? new Date(now.getTime() + waitMs) : null;
  await db.withTx(async (tx) => {
    await keepAnswer(tx, id, outcome, now);
    // Another address may have taken its place meanwhile.
    await tx.sql`
      UPDATE payments.refund_address
      SET status = ${status}, due_at = ${dueAt}, lease_until = NULL, updated_at = ${now}
      WHERE refund_address_id = ${id} AND address = ${address} AND status = 'PENDING'`;
  });
}

function statusOf(outcome: ScreeningOutcome): "READY" | "PENDING" | "REJECTED" {
  if (outcome.kind === "unavailable") return "PENDING";
  return outcome.sanctioned || outcome.score >= refusedFromScore ? "REJECTED" : "READY";
}
