/**
 * What each party has in escrows. A batch adds, per party, the difference between the escrows' new
 * and old standing; rows are written in key order, since two batches may share a party.
 */
import type { Tx } from "#platform/database/database";
import type { RecordChange } from "./escrow-view.ts";
import type { ReadModels } from "./tables.ts";

interface Delta {
  readonly partyId: string;
  readonly side: "buyer" | "seller";
  readonly currency: string;
  escrows: bigint;
  held: bigint;
  reserved: bigint;
  released: bigint;
  refunded: bigint;
}

export function balanceDeltas(changes: readonly RecordChange[]): Delta[] {
  const deltas = new Map<string, Delta>();
  for (const { before, after } of changes) {
    const { terms } = after;
    const currency = terms?.amount?.currency ?? "";
    const parties = [
      { partyId: terms?.buyerId ?? "", side: "buyer" },
      { partyId: terms?.sellerId ?? "", side: "seller" },
    ] as const;
    const [was, is] = [before?.status?.funds, after.status?.funds];
    for (const { partyId, side } of parties) {
      const key = `${partyId} ${side} ${currency}`;
      const delta = deltas.get(key) ?? {
        partyId,
        side,
        currency,
        escrows: 0n,
        held: 0n,
        reserved: 0n,
        released: 0n,
        refunded: 0n,
      };
      delta.escrows += before ? 0n : 1n;
      delta.held += (is?.held ?? 0n) - (was?.held ?? 0n);
      delta.reserved += (is?.reserved ?? 0n) - (was?.reserved ?? 0n);
      delta.released += (is?.released ?? 0n) - (was?.released ?? 0n);
      delta.refunded += (is?.refunded ?? 0n) - (was?.refunded ?? 0n);
      deltas.set(key, delta);
    }
  }
  return [...deltas.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, delta]) => delta);
}

export async function addBalances(
  tx: Tx,
  tables: ReadModels,
  deltas: readonly Delta[],
): Promise<void> {
  const moved = deltas.filter((d) => d.escrows || d.held || d.reserved || d.released || d.refunded);
  if (moved.length === 0) return;
  await tx.sql`
    INSERT INTO ${tables.party_balance} AS b
      (party_id, side, currency, escrows, held, reserved, released, refunded)
    SELECT * FROM unnest(${moved.map((d) => d.partyId)}::text[],
      ${moved.map((d) => d.side)}::text[], ${moved.map((d) => d.currency)}::text[],
      ${moved.map((d) => d.escrows)}::bigint[], ${moved.map((d) => d.held)}::bigint[],
      ${moved.map((d) => d.reserved)}::bigint[], ${moved.map((d) => d.released)}::bigint[],
      ${moved.map((d) => d.refunded)}::bigint[])
    ON CONFLICT (party_id, side, currency) DO UPDATE SET escrows = b.escrows + excluded.escrows,
      held = b.held + excluded.held, reserved = b.reserved + excluded.reserved,
      released = b.released + excluded.released, refunded = b.refunded + excluded.refunded`;
}
