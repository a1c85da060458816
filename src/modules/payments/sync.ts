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
import { type ForeignRead, recordForeign } from "./record-foreign.ts";
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
      const [own, foreign] = sorted(reads);
      await recordOneByOne(own, {
        record: (some) => db.withTx((tx) => recordReads(tx, some, deps)),
        setAside: (one, error) => db.withTx((tx) => setReadAside(tx, one, error, deps)),
      });
      await recordOneByOne(foreign, {
        record: (some) => db.withTx((tx) => recordForeign(tx, some, deps)),
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

type AnyRead = { readonly own: Read } | { readonly foreign: ForeignRead };

/** What calls of ours made, and what came to be without one. */
function sorted(reads: readonly AnyRead[]): [Read[], ForeignRead[]] {
  return [
    reads.flatMap((read) => ("own" in read ? [read.own] : [])),
    reads.flatMap((read) => ("foreign" in read ? [read.foreign] : [])),
  ];
}

async function read(row: ProviderObjectRow, { providers }: PaymentWorkerDeps): Promise<AnyRead> {
  const provider = providers.get(row.provider);
  const { kind } = row;
  switch (kind) {
    case "unmatched":
    case "dispute":
    case "warning":
    case "foreign":
    case "payout": {
      const { object_id, account } = row;
      const outcome = await ask(provider, (there) => there.getForeign(object_id, account));
      return { foreign: { row, outcome } };
    }
    default:
      return { own: { row, outcome: await ask(provider, (there) => readOwn(there, row, kind)) } };
  }
}

async function ask<T>(
  provider: PaymentProvider | undefined,
  question: (provider: PaymentProvider) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  if (provider === undefined) return { kind: "retry", afterMs: 60_000 };
  return question(provider).catch(
    (error: unknown) => ({ kind: "unknown", replayed: false, detail: String(error) }) as const,
  );
}

async function readOwn(
  provider: PaymentProvider,
  { object_id }: ProviderObjectRow,
  kind: ProviderObject["kind"] | "account",
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
    default:
      return kind satisfies never;
  }
}
