/**
 * Reads provider objects again, because a webhook said so or none came for long, and applies their
 * present state. The read happens outside any transaction; a webhook that came meanwhile makes it
 * happen again, so the last state is never missed.
 */
import type { WakeableWorker } from "#platform/worker-loop";
import { recordOneByOne } from "./one-by-one.ts";
import {
  leaseMsOf,
  type Outcome,
  type PaymentProvider,
  type ProviderAccount,
  type ProviderObject,
} from "./provider.ts";
import { type Read, recordReads, setReadAside } from "./record-reads.ts";
import type { ProviderObjectRow } from "./schema.ts";
import type { PaymentWorkerDeps } from "./worker-deps.ts";

const maxClaims = 32;

export function createSync(deps: PaymentWorkerDeps): WakeableWorker {
  const { outbox, db } = deps;
  return {
    name: "payments.sync",
    idleMs: 200,
    onWake: outbox.onWake,
    step: async () => {
      const rows = await claim(deps);
      if (rows.length === 0) return "idle";
      const reads = await Promise.all(rows.map((row) => read(row, deps)));
      await recordOneByOne(reads, {
        record: (some) => db.withTx((tx) => recordReads(tx, some, deps)),
        setAside: (one, error) => db.withTx((tx) => setReadAside(tx, one, error, deps)),
      });
      outbox.wake();
      return "worked";
    },
  };
}

async function claim({ db, clock, providers }: PaymentWorkerDeps): Promise<ProviderObjectRow[]> {
  const wall = clock.wall();
  return db.sql<ProviderObjectRow>`
    UPDATE payments.provider_object o
    SET lease_until = ${new Date(wall.getTime() + leaseMsOf(providers))}, sync_tries = o.sync_tries + 1
    FROM (
      SELECT provider, object_id FROM payments.provider_object
      WHERE sync_due_at <= ${clock.now()} AND (lease_until IS NULL OR lease_until < ${wall})
      ORDER BY sync_due_at LIMIT ${maxClaims} FOR UPDATE SKIP LOCKED
    ) due
    WHERE o.provider = due.provider AND o.object_id = due.object_id
    RETURNING o.*`;
}

async function read(row: ProviderObjectRow, { providers }: PaymentWorkerDeps): Promise<Read> {
  const provider = providers.get(row.provider);
  if (provider === undefined) return { row, outcome: { kind: "retry", afterMs: 60_000 } };
  const outcome = await readObject(provider, row).catch(
    (error: unknown) => ({ kind: "unknown", replayed: false, detail: String(error) }) as const,
  );
  return { row, outcome };
}

async function readObject(
  provider: PaymentProvider,
  { kind, object_id }: ProviderObjectRow,
): Promise<Outcome<ProviderObject | ProviderAccount>> {
  switch (kind) {
    case "payment":
      return provider.getPayment(object_id);
    case "transfer":
      return provider.getTransfer(object_id);
    case "refund":
      return provider.getRefund(object_id);
    case "reversal":
      return provider.getReversal(object_id);
    case "account":
      return provider.getAccount(object_id);
    case "unmatched":
      return { kind: "refused", code: "NOT_FOUND", detail: "not ours" };
    default:
      return kind satisfies never;
  }
}
