/**
 * Reads one provider's objects again, because a webhook said so or none came for long, and applies their
 * present state. The read happens outside any transaction; a webhook that came meanwhile makes it
 * happen again, so the last state is never missed.
 */
import { TerminalError } from "#platform/errors";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import {
  leaseMsOf,
  type Outcome,
  type PaymentProvider,
  type ProviderAccount,
  type ProviderObject,
} from "../provider.ts";
import { createGather } from "../recording/gather.ts";
import { recordOneByOne } from "../recording/one-by-one.ts";
import { type ForeignRead, recordForeign } from "../recording/record-foreign.ts";
import { type Read, recordReads, setReadAside } from "../recording/record-reads.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { type DueObject, readTraced } from "./call-spans.ts";
import { createFlights } from "./flights.ts";

/** Reads at one provider side by side. */
const maxReads = 32;

export function createSync(deps: PaymentWorkerDeps, provider: PaymentProvider): WakeableWorker {
  const { outbox, db, clock } = deps;
  const { name } = provider.describe();
  const flights = createFlights({ clock });

  const recordOwn = createGather<Read>(async (reads) => {
    await recordOneByOne(reads, {
      record: (some) => db.withTx((tx) => recordReads(tx, some, deps)),
      setAside: (one, error) => db.withTx((tx) => setReadAside(tx, one, error, deps)),
    });
    outbox.wake();
  });
  const recordOthers = createGather<ForeignRead>(async (reads) => {
    await recordOneByOne(reads, {
      record: (some) => db.withTx((tx) => recordForeign(tx, some, deps)),
      setAside: (one, error) => db.withTx((tx) => setReadAside(tx, one, error, deps)),
    });
    outbox.wake();
  });

  async function read(row: DueObject): Promise<void> {
    const { kind, object_id: objectId, account } = row;
    switch (kind) {
      case "unmatched":
      case "dispute":
      case "warning":
      case "foreign":
      case "payout":
        return recordOthers({
          row,
          ...(await readTraced(row, deps, () => ask(provider.getForeign(objectId, account)))),
        });
      default:
        return recordOwn({
          row,
          ...(await readTraced(row, deps, () => ask(readOwn(provider, objectId, kind)))),
        });
    }
  }

  /** What an adapter cannot understand is not tried until it can: a person is told of it. */
  async function readOrSetAside(row: DueObject): Promise<void> {
    try {
      await read(row);
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      const strange = { row, outcome: { kind: "strange" } };
      await db.withTx((tx) => setReadAside(tx, strange, error, deps));
    }
  }

  return {
    name: `payments.sync.${name}`,
    idleMs: 200,
    onWake: outbox.onWake,
    step: async () => {
      const limit = maxReads - flights.underWay;
      const rows = limit > 0 ? await claim(deps, name, limit) : [];
      await flights.start(rows.map((row) => () => readOrSetAside(row)));
      return rows.length > 0 ? "worked" : "idle";
    },
    stop: flights.landed,
  };
}

async function claim(
  { db, clock, providers }: PaymentWorkerDeps,
  provider: string,
  limit: number,
): Promise<DueObject[]> {
  const wall = clock.wall();
  return db.sql<DueObject>`
    UPDATE payments.provider_object o
    SET lease_until = ${new Date(wall.getTime() + leaseMsOf(providers))}, sync_tries = o.sync_tries + 1
    FROM (
      SELECT provider, object_id FROM payments.provider_object
      WHERE sync_due_at <= ${clock.now()} AND provider = ${provider}
        AND (lease_until IS NULL OR lease_until < ${wall})
      ORDER BY sync_due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    ) due
    WHERE o.provider = due.provider AND o.object_id = due.object_id
    RETURNING o.*, (
      SELECT p.traceparent FROM payments.operation p WHERE p.operation_id = o.operation_id
    ) AS opened_under`;
}

/** A read that breaks on the way says nothing of its object; one that was not understood does. */
async function ask<T>(question: Promise<Outcome<T>>): Promise<Outcome<T>> {
  return question.catch((error: unknown) => {
    if (error instanceof TerminalError) throw error;
    return { kind: "unknown", replayed: false, detail: String(error) } as const;
  });
}

async function readOwn(
  provider: PaymentProvider,
  objectId: string,
  kind: ProviderObject["kind"] | "account",
): Promise<Outcome<ProviderObject | ProviderAccount>> {
  switch (kind) {
    case "payment":
      return provider.getPayment(objectId);
    case "transfer":
      return provider.getTransfer(objectId);
    case "refund":
      return provider.getRefund(objectId);
    case "reversal":
      return provider.getReversal(objectId);
    case "account":
      return provider.getAccount(objectId);
    default:
      return kind satisfies never;
  }
}
