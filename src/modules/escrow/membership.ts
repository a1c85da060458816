/**
 * How a caller stands to an escrow, so that a route can answer 404 or ask for a second operator
 * before it takes a command. The decider judges again; parties never change, so a row's are kept.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { type Actor, EscrowSchema } from "#gen/escrow/v1/types_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import { foundSoon } from "#platform/found-soon";

/** operator: an admin who is no member. reader: an auditor, who may change nothing. */
export type Standing = "member" | "operator" | "reader";

export interface Parties {
  readonly buyerId: string;
  readonly sellerId: string;
  readonly createdBy: string;
  readonly serviceId: string;
}

export interface Membership {
  /** Undefined: no such escrow, or not the caller's; both take the same time. */
  standing(escrowId: string, actor: Actor): Promise<Standing | undefined>;
  /** A creation was just published: its parties may go on for the moment until it is decided. */
  expect(escrowId: string, parties: Parties): void;
}

export interface MembershipOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
}

interface Expected {
  readonly parties: Parties;
  readonly untilMs: number;
}

/** Escrows whose parties are kept in memory. */
const maxKept = 50_000;
/** A creation that has made no row by then is held up or was refused. */
const expectedMs = 5_000;

export function createMembership({ db, clock }: MembershipOptions): Membership {
  /** From rows alone: what is here is true for ever. */
  const kept = new Map<string, Parties>();
  /** In order of their time. Another process may have taken another creation under the same key. */
  const expected = new Map<string, Expected>();

  async function partiesOf(escrowId: string): Promise<Parties | undefined> {
    const known = kept.get(escrowId);
    if (known !== undefined) return known;
    const [row] = await db.sql<{ snapshot: Uint8Array }>`
      SELECT snapshot FROM escrow.escrow WHERE id = ${escrowId}`;
    if (row === undefined) return expectedOf(escrowId);
    const { terms, createdBy, serviceId } = fromBinary(EscrowSchema, row.snapshot);
    const { buyerId = "", sellerId = "" } = terms ?? {};
    const parties = { buyerId, sellerId, createdBy, serviceId };
    put(kept, escrowId, parties);
    expected.delete(escrowId);
    return parties;
  }

  function expectedOf(escrowId: string): Parties | undefined {
    const found = expected.get(escrowId);
    return found && clock.monotonicMs() < found.untilMs ? found.parties : undefined;
  }

  function dropOutdated(): void {
    const now = clock.monotonicMs();
    for (const [escrowId, { untilMs }] of expected) {
      if (now < untilMs) return;
      expected.delete(escrowId);
    }
  }

  return {
    standing: (escrowId, actor) =>
      foundSoon(clock, async () => {
        const parties = await partiesOf(escrowId);
        return parties && standingOf(parties, actor);
      }),
    expect: (escrowId, parties) => {
      dropOutdated();
      if (expected.has(escrowId)) return;
      put(expected, escrowId, { parties, untilMs: clock.monotonicMs() + expectedMs });
    },
  };
}

function put<T>(map: Map<string, T>, escrowId: string, value: T): void {
  map.set(escrowId, value);
  const oldest = map.size > maxKept ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}

function standingOf(parties: Parties, actor: Actor): Standing | undefined {
  const { buyerId, sellerId, createdBy, serviceId } = parties;
  const isParty = actor.id === buyerId || actor.id === sellerId;
  if (actor.serviceId !== "") {
    // A service acts for members of the escrows it created, and for nobody else.
    const created = actor.serviceId === serviceId || actor.serviceId === createdBy;
    return created && isParty ? "member" : undefined;
  }
  if (isParty) return "member";
  if (actor.roles.includes("admin")) return "operator";
  if (actor.id === createdBy) return "member";
  return actor.roles.includes("auditor") ? "reader" : undefined;
}
