/**
 * How a caller stands to an escrow, so that a route can answer 404 or ask for a second operator
 * before it takes a command. The decider judges again; parties never change, so a row's are kept.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { LRUCache } from "lru-cache";
import { type Actor, EscrowSchema } from "#gen/escrow/v1/types_pb";
import { type Members, type Standing, standingOf } from "#kernel/standing";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { foundSoon } from "#platform/found-soon";

export interface Membership {
  /** Undefined: no such escrow, or not the caller's; both take the same time. */
  standing(escrowId: string, actor: Actor): Promise<Standing | undefined>;
  /** A creation was just published: its parties may go on for the moment until it is decided. */
  expect(escrowId: string, members: Members): void;
}

export interface MembershipOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
}

interface Expected {
  readonly members: Members;
  readonly untilMs: number;
}

/** Escrows whose parties are kept in memory, and as many that are expected: 10,000 creations a second. */
const maxKept = 50_000;
/** A creation that has made no row by then is held up or was refused. */
const expectedMs = 5_000;

export function createMembership({ db, clock }: MembershipOptions): Membership {
  /** From rows alone: what is here is true for ever. */
  const kept = new LRUCache<string, Members>({ max: maxKept });
  /** Another process may have taken another creation under the same key. */
  const expected = new LRUCache<string, Expected>({ max: maxKept });

  async function membersOf(escrowId: string): Promise<Members | undefined> {
    const known = kept.get(escrowId);
    if (known !== undefined) return known;
    const [row] = await db.sql<{ snapshot: Uint8Array }>`
      SELECT snapshot FROM escrow.escrow WHERE id = ${escrowId}`;
    if (row === undefined) return expectedOf(escrowId);
    const { terms, serviceId } = fromBinary(EscrowSchema, row.snapshot);
    const { buyerId = "", sellerId = "" } = terms ?? {};
    const members = { buyerId, sellerId, serviceId };
    kept.set(escrowId, members);
    expected.delete(escrowId);
    return members;
  }

  function expectedOf(escrowId: string): Members | undefined {
    const found = expected.get(escrowId);
    return found && clock.monotonicMs() < found.untilMs ? found.members : undefined;
  }

  return {
    standing: (escrowId, actor) =>
      foundSoon(clock, async () => {
        const members = await membersOf(escrowId);
        return members && standingOf(members, actor);
      }),
    expect: (escrowId, members) => {
      if (expectedOf(escrowId) !== undefined) return;
      expected.set(escrowId, { members, untilMs: clock.monotonicMs() + expectedMs });
    },
  };
}
