/**
 * Watches how long money is held. Providers allow it for a time that depends on the country; a
 * fortnight before its end operators are told, and at its end the escrow module decides by the
 * terms. Blocked money is left alone: the law holds it, not we.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SealedTextSchema } from "#gen/escrow/v1/types_pb";
import { HoldingLimitNearSchema, HoldingLimitReachedSchema } from "#gen/payments/v1/events_pb";
import type { Tx } from "#platform/database/database";
import type { Keyring } from "#platform/sealing/keyring";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { say } from "../domain/effect.ts";
import { createJournal, type Journal, type Root } from "../journal.ts";
import { lockRoots } from "../store.ts";
import { sayToTreasury, type TreasuryNotice } from "../treasury.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { type HoldingLimits, limitDaysFor } from "./holding-limits.ts";

export interface HoldingOptions extends PaymentWorkerDeps {
  readonly keyring: Pick<Keyring, "open">;
  readonly limits: HoldingLimits;
}

const batch = 50;
const dayMs = 24 * 3_600_000;
const alertMs = 14 * dayMs;

interface HoldingRow {
  readonly escrow_no: bigint;
  readonly escrow_id: string;
  readonly held_since: Date;
  readonly limit_at: Date | null;
  readonly alerted_at: Date | null;
  readonly forced_at: Date | null;
}

/** What a step does to one row. */
interface Change extends Pick<HoldingRow, "escrow_no" | "limit_at" | "alerted_at" | "forced_at"> {
  readonly due_at: Date | null;
}

export function createHoldings(options: HoldingOptions): WakeableWorker {
  const { db, clock, outbox } = options;
  return {
    name: "payments.holdings",
    idleMs: 500,
    onWake: outbox.onWake,
    step: async () => {
      const now = clock.now();
      const due = await db.sql<{ escrow_id: string }>`
        SELECT p.escrow_id FROM payments.holding h
        JOIN payments.payment p ON p.escrow_no = h.escrow_no
        WHERE h.due_at <= ${now} ORDER BY h.due_at LIMIT ${batch}`;
      if (due.length === 0) return "idle";
      const countries = await countriesOf(due, options);
      await db.withTx(async (tx) => {
        const roots = await lockRoots(
          tx,
          due.map(({ escrow_id }) => escrow_id),
        );
        const rows = await tx.sql<HoldingRow>`
          SELECT h.*, p.escrow_id FROM payments.holding h
          JOIN payments.payment p ON p.escrow_no = h.escrow_no
          WHERE h.due_at <= ${now} AND p.escrow_id = ANY(${[...roots.keys()]}::text[])`;
        const journal = createJournal({ now });
        const notices: TreasuryNotice[] = [];
        const changes = rows.flatMap((row) => {
          const root = roots.get(row.escrow_id);
          if (root === undefined) return [];
          const { provider } = root.payment;
          const days = limitDaysFor(options.limits, provider, countries.get(row.escrow_id) ?? "");
          return [judge(row, root, { days, now, journal, notices })];
        });
        await save(tx, changes);
        await journal.write(tx);
        await outbox.enqueue(tx, [...journal.outgoing, ...(await sayToTreasury(tx, notices, now))]);
      });
      outbox.wake();
      return "worked";
    },
  };
}

interface Judging {
  readonly days: number;
  readonly now: Date;
  readonly journal: Journal;
  readonly notices: TreasuryNotice[];
}

function judge(row: HoldingRow, root: Root, { days, now, journal, notices }: Judging): Change {
  const { escrow_no, held_since } = row;
  const { escrowId, provider, funds } = root.payment;
  const limitAt = row.limit_at ?? new Date(held_since.getTime() + days * dayMs);
  const change = { ...row, escrow_no, limit_at: limitAt };
  if (funds.pending + funds.held + funds.reserved === 0n) return { ...change, due_at: null };
  const alertAt = new Date(limitAt.getTime() - alertMs);
  if (now < alertAt) return { ...change, due_at: alertAt };
  const times = { heldSince: timestampFromDate(held_since), limitAt: timestampFromDate(limitAt) };
  const cause = { correlationId: `holding:${escrowId}`.slice(0, 64), causationId: escrowId };
  if (row.alerted_at === null) {
    const value = create(HoldingLimitNearSchema, { escrowId, ...times });
    notices.push({ subject: provider, body: { case: "holdingLimitNear", value }, cause });
  }
  const alerted_at = row.alerted_at ?? now;
  if (now < limitAt) return { ...change, alerted_at, due_at: limitAt };
  const value = create(HoldingLimitReachedSchema, times);
  journal.apply(root, [say({ case: "holdingLimitReached", value })], cause);
  return { ...change, alerted_at, forced_at: now, due_at: new Date(now.getTime() + dayMs) };
}

interface ProfileRow {
  readonly escrow_id: string;
  readonly party_id: string;
  readonly key_id: string;
  readonly ciphertext: Uint8Array;
}

async function save(tx: Tx, changes: readonly Change[]): Promise<void> {
  const rows = changes.map(({ escrow_no, limit_at, alerted_at, forced_at, due_at }) => ({
    escrow_no: escrow_no.toString(),
    limit_at,
    alerted_at,
    forced_at,
    due_at,
  }));
  await tx.sql`
    UPDATE payments.holding h SET limit_at = n.limit_at, alerted_at = n.alerted_at,
      forced_at = n.forced_at, due_at = n.due_at
    FROM jsonb_populate_recordset(NULL::payments.holding, ${JSON.stringify(rows)}::jsonb) n
    WHERE h.escrow_no = n.escrow_no`;
}

/**
 * By escrow, from the sellers' sealed profiles, outside any transaction; "" for who is unknown or
 * erased. A profile by a service counts for the escrows it created, where there is none of the
 * seller's own.
 */
async function countriesOf(
  due: readonly { readonly escrow_id: string }[],
  { db, keyring }: HoldingOptions,
): Promise<ReadonlyMap<string, string>> {
  const rows = await db.sql<ProfileRow>`
    SELECT DISTINCT ON (p.escrow_id) p.escrow_id, s.party_id, s.key_id, s.ciphertext
    FROM payments.payment p
    JOIN payments.party s ON s.party_id = p.seller_id AND s.service_id IN ('', p.service_id)
    WHERE p.escrow_id = ANY(${due.map(({ escrow_id }) => escrow_id)}::text[])
    ORDER BY p.escrow_id, s.service_id <> ''`;
  const known = await Promise.all(
    rows.map(async ({ escrow_id, party_id: subject, key_id: keyId, ciphertext }) => {
      const sealed = create(SealedTextSchema, { subject, keyId, ciphertext });
      return [escrow_id, countryIn(await keyring.open(sealed))] as const;
    }),
  );
  return new Map(known);
}

function countryIn(profile: string | undefined): string {
  if (profile === undefined) return "";
  const { country } = JSON.parse(profile) as { readonly country?: unknown };
  return typeof country === "string" ? country : "";
}
