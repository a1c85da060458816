/**
 * One reconciliation: reads a provider's account of our balance, keeps it, and compares it with the
 * books, amount and fee. Money is never corrected here: what differs is a break for a person, and
 * above the tolerance it stops the line.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { TransientError } from "#platform/errors";
import type { Outbox } from "#platform/messaging/outbox";
import type { Logger } from "#platform/telemetry/logger";
import type { PaymentProvider, ProviderMovement } from "../provider.ts";
import { stopProvider } from "../stops/provider-stops.ts";
import { sayToTreasury } from "../treasury.ts";
import { type BreakRow, closeOrphans, keepBreaks, openBreaks } from "./breaks.ts";
import { classify, weightOf } from "./classify.ts";
import { compareBooks, type Scope } from "./compare.ts";
import { attributeUnknown, join, takeMovements } from "./take-movements.ts";

export interface ReconcileDeps {
  readonly db: Database;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A break that weighs more, in minor units of its currency, stops the provider. */
  readonly toleranceMinor: bigint;
}

export interface Reconciled {
  /** How many of the provider's movements were read. */
  readonly movements: number;
  /** How many things were compared. */
  readonly compared: number;
  /** How many of them differ and moved too lately to be called a break or not. */
  readonly tooRecent: number;
}

/** `from` inclusive, `until` exclusive, by the provider's time. */
export async function reconcile(
  provider: PaymentProvider,
  { from, until }: { readonly from: Date; readonly until: Date },
  deps: ReconcileDeps,
): Promise<Reconciled> {
  const { name } = provider.describe();
  let scope: Scope = { escrowNos: [], keys: [] };
  let movements = 0;
  for await (const page of pagesOf(provider, from, until)) {
    movements += page.length;
    const now = deps.clock.now();
    const about = await deps.db.withTx((tx) => takeMovements(tx, name, page, now));
    scope = join(scope, about);
  }
  scope = join(
    scope,
    await deps.db.withTx((tx) => attributeUnknown(tx, name)),
    await postedBetween(deps.db, name, from, until),
    await brokenScope(deps.db, name),
  );
  return { movements, ...(await compare(name, scope, deps)) };
}

async function* pagesOf(
  provider: PaymentProvider,
  from: Date,
  until: Date,
): AsyncGenerator<readonly ProviderMovement[]> {
  let cursor: string | undefined;
  do {
    const answer = await provider.listMovements({ from, until, cursor });
    if (answer.kind !== "succeeded") {
      throw new TransientError(`${provider.describe().name} does not list its movements`);
    }
    yield answer.value.items;
    cursor = answer.value.next;
  } while (cursor !== undefined);
}

/** What we booked in that time: the provider may have nothing of it. */
async function postedBetween(
  db: Database,
  provider: string,
  from: Date,
  until: Date,
): Promise<Scope> {
  const rows = await db.sql<{ escrow_no: bigint; reference: string }>`
    SELECT DISTINCT t.escrow_no, CASE WHEN t.escrow_no = 0 THEN t.reference ELSE '' END AS reference
    FROM payments.ledger_transaction t
    WHERE t.at >= ${from}::timestamptz AND t.at < ${until}::timestamptz AND EXISTS (
      SELECT FROM payments.entry e WHERE e.escrow_no = t.escrow_no AND e.number = t.number
        AND e.account = 'clearing' AND e.owner = ${provider})`;
  return {
    escrowNos: rows.filter((row) => row.escrow_no !== 0n).map((row) => row.escrow_no),
    keys: rows.filter((row) => row.escrow_no === 0n).map(({ reference }) => reference),
  };
}

async function brokenScope(db: Database, provider: string): Promise<Scope> {
  const rows = await openBreaks(db, provider);
  return {
    escrowNos: rows.filter((row) => row.escrow_no !== 0n).map((row) => row.escrow_no),
    keys: rows.filter((row) => row.escrow_no === 0n).map(({ key }) => key),
  };
}

const sliceSize = 200;

async function compare(
  provider: string,
  { escrowNos, keys }: Scope,
  deps: ReconcileDeps,
): Promise<Omit<Reconciled, "movements">> {
  let compared = 0;
  let tooRecent = 0;
  const longest = Math.max(escrowNos.length, keys.length);
  for (let at = 0; at < longest; at += sliceSize) {
    const slice = {
      escrowNos: escrowNos.slice(at, at + sliceSize),
      keys: keys.slice(at, at + sliceSize),
    };
    const pairs = await compareBooks(deps.db, provider, slice);
    compared += pairs.length;
    await deps.db.withTx(async (tx) => {
      const now = deps.clock.now();
      tooRecent += pairs.filter((pair) => classify(pair, now) === "fresh").length;
      const notices = await keepBreaks(tx, provider, pairs, now);
      await deps.outbox.enqueue(tx, await sayToTreasury(tx, notices, now));
    });
  }
  await stopTheLine(provider, deps);
  deps.outbox.wake();
  return { compared, tooRecent };
}

async function stopTheLine(provider: string, deps: ReconcileDeps): Promise<void> {
  const { db, clock, outbox, logger, toleranceMinor } = deps;
  await db.withTx(async (tx) => {
    const now = clock.now();
    await closeOrphans(tx, provider, now);
    const heavy = (await openBreaks(tx, provider)).find(
      (row) => row.kind !== "timing" && row.accepted_at === null && isAbove(row, toleranceMinor),
    );
    if (heavy === undefined) return;
    const notices = await stopProvider(
      tx,
      {
        provider,
        reason: "RECONCILIATION",
        stoppedBy: "",
        note: undefined,
        cause: { correlationId: `reconcile:${provider}`, causationId: heavy.break_id },
      },
      now,
    );
    if (notices.length === 0) return;
    logger.error({ provider, breakId: heavy.break_id }, "releases are stopped: the books differ");
    await outbox.enqueue(tx, await sayToTreasury(tx, notices, now));
  });
}

/** A conversion on the way is never within a tolerance: nobody knows its weight. */
function isAbove(row: BreakRow, toleranceMinor: bigint): boolean {
  const gross = row.theirs - row.ours;
  const fee = row.theirs_fee - row.ours_fee;
  return row.exchanged || weightOf({ gross, fee }) > toleranceMinor;
}
