/**
 * How a caller stands to an escrow, so that a route can answer 404 or ask for a second operator
 * before it takes a command. The decider judges again; parties never change, so they are kept.
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
  /** A creation was just published: its parties may go on before it is decided. */
  expect(escrowId: string, parties: Parties): void;
}

export interface MembershipOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
}

/** Escrows whose parties are kept in memory. */
const maxKept = 50_000;

export function createMembership({ db, clock }: MembershipOptions): Membership {
  const kept = new Map<string, Parties>();

  function keep(escrowId: string, parties: Parties): void {
    kept.set(escrowId, parties);
    const oldest = kept.size > maxKept ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
  }

  async function partiesOf(escrowId: string): Promise<Parties | undefined> {
    const known = kept.get(escrowId);
    if (known !== undefined) return known;
    const [row] = await db.sql<{ snapshot: Uint8Array }>`
      SELECT snapshot FROM escrow.escrow WHERE id = ${escrowId}`;
    if (row === undefined) return undefined;
    const { terms, createdBy, serviceId } = fromBinary(EscrowSchema, row.snapshot);
    const { buyerId = "", sellerId = "" } = terms ?? {};
    const parties = { buyerId, sellerId, createdBy, serviceId };
    keep(escrowId, parties);
    return parties;
  }

  return {
    standing: (escrowId, actor) =>
      foundSoon(clock, async () => {
        const parties = await partiesOf(escrowId);
        return parties && standingOf(parties, actor);
      }),
    expect: (escrowId, parties) => {
      if (!kept.has(escrowId)) keep(escrowId, parties);
    },
  };
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
