/**
 * What parties began today, for the daily limits. The rows are locked after the escrows and written
 * in the decider's transaction, so two deals decided at once cannot both fit into what is left.
 */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "#gen/escrow/v1/commands_pb";
import type { Queryable } from "#platform/database/database";
import type { Begun } from "./domain/limits.ts";
import { hasLimits } from "./domain/limits.ts";
import type { PartyLimits, Used } from "./domain/messages.ts";
import type { StoredEscrow } from "./store.ts";

export interface PartyDays {
  used(partyId: string, currency: string, at: Timestamp): Used;
  add(begun: Begun, at: Timestamp): void;
  /** Writes what was added. */
  save(db: Queryable): Promise<void>;
}

interface Place {
  readonly partyId: string;
  readonly day: string;
  readonly currency: string;
}

interface Row extends Used {
  readonly party_id: string;
  readonly day: string;
  readonly currency: string;
}

/** The row that counts a party's deals in all currencies. */
const anyCurrency = "";

/** Nothing is counted, because nothing is limited or nothing is begun. */
export const uncounted: PartyDays = {
  used: () => ({ escrows: 0n, amount: 0n }),
  add: () => undefined,
  save: async () => undefined,
};

export interface Received {
  readonly message: Command;
  readonly at: Date;
}

/** Locks the days of the parties whose deals the commands begin or raise. */
export async function lockPartyDays(
  tx: Queryable,
  limits: PartyLimits,
  received: readonly Received[],
  stored: ReadonlyMap<string, StoredEscrow>,
): Promise<PartyDays> {
  const places = placesOf(limits, received, stored);
  if (places.length === 0) return uncounted;
  const rows = await tx.sql<Row>`
    INSERT INTO escrow.party_day AS d (party_id, day, currency)
    SELECT party, day, currency
    FROM unnest(${places.map((p) => p.partyId)}::text[], ${places.map((p) => p.day)}::date[],
      ${places.map((p) => p.currency)}::text[]) AS p(party, day, currency)
    ORDER BY party, day, currency
    ON CONFLICT (party_id, day, currency) DO UPDATE SET escrows = d.escrows
    RETURNING party_id, day::text AS day, currency, escrows, amount`;
  return partyDays(rows);
}

/** The same as it stands now, for a dry run. */
export async function readPartyDays(
  db: Queryable,
  limits: PartyLimits,
  received: readonly Received[],
  stored: ReadonlyMap<string, StoredEscrow>,
): Promise<PartyDays> {
  const places = placesOf(limits, received, stored);
  if (places.length === 0) return uncounted;
  const rows = await db.sql<Row>`
    SELECT party_id, day::text AS day, currency, escrows, amount FROM escrow.party_day
    WHERE party_id = ANY(${places.map((p) => p.partyId)}::text[])
      AND day = ANY(${places.map((p) => p.day)}::date[])`;
  return partyDays(rows);
}

function partyDays(rows: readonly Row[]): PartyDays {
  const counts = new Map<string, { readonly place: Place; readonly used: Used }>();
  const touched = new Set<string>();
  for (const { party_id: partyId, day, currency, escrows, amount } of rows) {
    const place = { partyId, day, currency };
    counts.set(nameOf(place), { place, used: { escrows, amount } });
  }

  function at(place: Place): Used {
    return counts.get(nameOf(place))?.used ?? { escrows: 0n, amount: 0n };
  }

  function put(place: Place, used: Used): void {
    counts.set(nameOf(place), { place, used });
    touched.add(nameOf(place));
  }

  return {
    used: (partyId, currency, instant) => {
      const day = dayOf(timestampDate(instant));
      const { escrows } = at({ partyId, day, currency: anyCurrency });
      return { escrows, amount: at({ partyId, day, currency }).amount };
    },
    add: ({ parties, currency, escrows, amount }, instant) => {
      const day = dayOf(timestampDate(instant));
      for (const partyId of parties) {
        const whole = { partyId, day, currency: anyCurrency };
        put(whole, { ...at(whole), escrows: at(whole).escrows + escrows });
        const own = { partyId, day, currency };
        put(own, { ...at(own), amount: at(own).amount + amount });
      }
    },
    save: async (tx) => {
      const changed = [...touched].flatMap((name) => counts.get(name) ?? []);
      if (changed.length === 0) return;
      await tx.sql`
        UPDATE escrow.party_day d SET escrows = c.escrows, amount = c.amount
        FROM unnest(${changed.map((c) => c.place.partyId)}::text[],
          ${changed.map((c) => c.place.day)}::date[],
          ${changed.map((c) => c.place.currency)}::text[],
          ${changed.map((c) => c.used.escrows)}::bigint[],
          ${changed.map((c) => c.used.amount)}::bigint[])
          AS c(party, day, currency, escrows, amount)
        WHERE d.party_id = c.party AND d.day = c.day AND d.currency = c.currency`;
    },
  };
}

function placesOf(
  limits: PartyLimits,
  received: readonly Received[],
  stored: ReadonlyMap<string, StoredEscrow>,
): Place[] {
  if (!hasLimits(limits)) return [];
  const places = new Map<string, Place>();
  for (const { message, at } of received) {
    const { case: type, value } = message.body;
    if (type !== "createEscrow" && type !== "amendTerms") continue;
    // A repeated creation begins nothing; an escrow this batch creates and amends has both here.
    const terms = stored.get(message.escrowId)?.escrow.terms ?? value.terms;
    const currency = terms?.amount?.currency ?? anyCurrency;
    for (const partyId of [terms?.buyerId ?? "", terms?.sellerId ?? ""]) {
      const day = dayOf(at);
      for (const of of [anyCurrency, currency]) {
        const place = { partyId, day, currency: of };
        places.set(nameOf(place), place);
      }
    }
  }
  return [...places.values()];
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

function nameOf({ partyId, day, currency }: Place): string {
  return `${day} ${currency} ${partyId}`;
}
