/** What holds after any history of commands, deadlines and payments' facts, in any crossing. */
import { describe, expect, test } from "bun:test";
import { equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { EventSchema } from "#gen/escrow/v1/events_pb";
import { type Escrow, EscrowSchema } from "#gen/escrow/v1/types_pb";
import * as s from "../../../../test/support/escrow-steps.ts";
import { createWorld, type World } from "../../../../test/support/escrow-world.ts";
import { decideStep, fundsIn, metaOf, outcome, stepOn } from "../../../../test/support/given.ts";
import { type Action, allowedActions } from "./allowed-actions.ts";
import { disputeOn, free } from "./escrow.ts";
import { evolve } from "./evolve.ts";
import type { EventBody } from "./messages.ts";
import { isSettled, statusOf } from "./status.ts";

const { buyer, seller, admin } = s;
const terms = s.terms({ parts: [3_333n, 3_333n, 3_334n], reminders: ["P1D"] });
const people = [buyer, seller, admin] as const;

const who = fc.constantFrom(...people);
const milestoneId = fc.constantFrom("", "m1", "m2", "m3");
const amount = fc.oneof(fc.constant(0n), fc.bigInt(1n, 4_000n));
const payout = fc.record({ by: who, milestoneId, amount, approved: fc.boolean() });
const named = fc.record({ by: who, milestoneId });

const lockedIn = (escrow: Escrow, one: string): bigint =>
  escrow.milestones
    .filter((m) => (one ? m.milestoneId === one : disputeOn(escrow, m.milestoneId)))
    .reduce((sum, m) => sum + free(m), 0n);
const freeIn = (escrow: Escrow, one: string): bigint =>
  escrow.milestones.reduce((sum, m) => sum + (one && m.milestoneId !== one ? 0n : free(m)), 0n);

const command: fc.Arbitrary<s.StepAt> = fc.oneof(
  { weight: 4, arbitrary: payout.map(s.releaseFunds) },
  { weight: 3, arbitrary: payout.map(s.refundEscrow) },
  { weight: 2, arbitrary: named.map(s.markDelivered) },
  { weight: 2, arbitrary: named.map(s.raiseDispute) },
  named.map(s.withdrawDispute),
  fc.record({ by: who, milestoneId, percent: fc.bigInt(0n, 100n) }).map(split(lockedIn, "resolve")),
  fc.record({ by: who, milestoneId, percent: fc.bigInt(0n, 100n) }).map(split(freeIn, "offer")),
  who.map((by) => s.acceptSettlement({ by })),
  who.map((by) => s.acceptTerms({ by })),
  who.map((by) => s.cancelEscrow({ by })),
  who.map((by) => s.addEvidence({ by })),
  who.map((by) => s.amendTerms({ by, terms: { ...terms, autoRelease: "P9D" } })),
  who.map((by) => s.acceptAmendment({ by })),
  who.map((by) => s.unblockEscrow({ by, approved: true })),
);

type Move = (world: World) => void;
const how = fc.constantFrom(
  "succeed" as const,
  "succeed" as const,
  "refuse" as const,
  "fail" as const,
);
const rare = fc.constantFrom(
  s.sellerReady(),
  s.sellerReady(),
  s.screeningHeld(),
  s.screeningCleared(),
  s.screeningCleared(),
  s.inquiryOpened("inq_1"),
);
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 12,
    arbitrary: command.map(
      (at): Move =>
        (world) =>
          void world.ask(at),
    ),
  },
  { weight: 8, arbitrary: fc.constant<Move>((world) => world.pay()) },
  { weight: 10, arbitrary: fc.constant<Move>((world) => world.learn()) },
  { weight: 4, arbitrary: fc.constant<Move>((world) => world.drain()) },
  {
    weight: 8,
    arbitrary: fc.tuple(fc.nat(9), how).map(
      ([pick, end]): Move =>
        (world) =>
          world.conclude(pick, end),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.bigInt(1n, 100n).map(
      (by): Move =>
        (world) =>
          world.bankTakes(by),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.boolean().map(
      (won): Move =>
        (world) =>
          world.bankCloses(won),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Move>((world) => world.block()) },
  {
    weight: 3,
    arbitrary: fc.constant<Move>((world) => {
      world.ask(s.unblockEscrow({ by: admin, approved: true }));
    }),
  },
  {
    weight: 1,
    arbitrary: fc.bigInt(1n, 20n).map(
      (d): Move =>
        (world) =>
          world.pass(d * s.day),
    ),
  },
  {
    weight: 2,
    arbitrary: rare.map(
      (fact): Move =>
        (world) =>
          void world.ask(fact),
    ),
  },
);
const funded = fc.nat(7).map((n) => n > 0);
const moves = fc.array(move, { minLength: 10, maxLength: 60, size: "max" });

function split(total: (escrow: Escrow, one: string) => bigint, kind: "resolve" | "offer") {
  return (asked: { by: typeof buyer; milestoneId: string; percent: bigint }): s.StepAt =>
    (escrow) => {
      const all = total(escrow, asked.milestoneId);
      const mine = (all * asked.percent) / 100n;
      const shares = { ...asked, buyer: mine, seller: all - mine };
      const { by, milestoneId: one } = asked;
      const told = { by, milestoneId: one, buyer: shares.buyer, seller: shares.seller };
      return kind === "resolve" ? s.resolveDispute(told) : s.offerSettlement(told);
    };
}

function worldFrom(isFunded: boolean): World {
  const world = createWorld();
  world.ask(s.createEscrow({ by: buyer, terms }));
  if (!isFunded) return world;
  world.ask(s.acceptTerms({ by: seller }));
  world.drain();
  world.deposit();
  world.drain();
  return world;
}

function escrowOf({ escrow }: World): Escrow {
  if (!escrow) throw new Error("the world has no escrow");
  return escrow;
}

/** Checks something after every move of many histories. Evolve itself asserts the equation. */
function always(check: (world: World, before: Escrow) => void, atEnd?: (world: World) => void) {
  fc.assert(
    fc.property(funded, moves, (isFunded, history) => {
      const world = worldFrom(isFunded);
      for (const next of history) {
        const before = escrowOf(world);
        if (!isFunded) world.deposit();
        next(world);
        check(world, before);
      }
      atEnd?.(world);
    }),
    { numRuns: 120 },
  );
}

describe("after any history", () => {
  test("decide never throws, and once nothing is on its way both books are equal", () => {
    always(
      () => undefined,
      (world) => {
        world.drain();
        const books = Object.entries(world.books).filter(([, part]) => part !== 0n);
        expect(fundsIn(escrowOf(world))).toEqual(Object.fromEntries(books));
        expect(escrowOf(world).overdrawn + escrowOf(world).feesOverdrawn).toBe(0n);
      },
    );
  });

  test("never more is released and refunded than the amount, and fees never exceed the whole", () => {
    always((world) => {
      const { releasedGross, refundedPrincipal, sellerFeeTaken, buyerFeeReturned } =
        escrowOf(world);
      expect(releasedGross + refundedPrincipal).toBeLessThanOrEqual(10_000n);
      expect(sellerFeeTaken).toBeGreaterThanOrEqual(0n);
      expect(sellerFeeTaken).toBeLessThanOrEqual(50n);
      expect(buyerFeeReturned).toBeLessThanOrEqual(320n);
    });
  });

  test("what is stored is the fold of what was said, through bytes", () => {
    always(
      () => undefined,
      (world) => {
        const folded = world.history.reduce<Escrow | undefined>(
          (escrow, { step, body }) => evolve(escrow, throughBytes(body), metaOf(step)),
          undefined,
        );
        const stored = fromBinary(EscrowSchema, toBinary(EscrowSchema, escrowOf(world)));
        expect(folded && equals(EscrowSchema, folded, stored)).toBe(true);
        expect(stored.version).toBe(BigInt(world.history.length));
      },
    );
  });

  test("a settled escrow stays settled, whatever a person asks", () => {
    always((world) => {
      const escrow = escrowOf(world);
      if (!isSettled(escrow)) return;
      for (const [action, at] of probes(escrow)) {
        for (const by of people) {
          const decision = decideStep(escrow, stepOn(escrow, at(by)));
          if (action === "evidence") continue;
          expect(outcome(decision)).toHaveProperty("rejected");
        }
      }
    });
  });

  test("generations of timers are unique and only grow", () => {
    always((world, before) => {
      const escrow = escrowOf(world);
      const generations = escrow.timers.map((timer) => timer.generation);
      expect(new Set(generations).size).toBe(generations.length);
      expect(escrow.timerGeneration).toBeGreaterThanOrEqual(before.timerGeneration);
    });
  });

  test("the actions shown are those that decide accepts", () => {
    always(
      () => undefined,
      (world) => {
        const escrow = escrowOf(world);
        const view = { status: statusOf(escrow), buyerId: buyer.id, sellerId: seller.id };
        for (const by of people) {
          const shown = allowedActions(view, by).filter((action) => !isLoose(action, by));
          const accepted = probes(escrow).flatMap(([action, at]) =>
            "events" in decideStep(escrow, stepOn(escrow, at(by))) ? [action] : [],
          );
          expect(accepted.filter((action) => !isLoose(action, by))).toEqual(shown);
          expect(allowedActions(view, by)).toEqual(expect.arrayContaining(accepted));
        }
      },
    );
  });
});

/** Shown though it may be refused: an offer can be stale, a retry stopped by a dispute elsewhere. */
function isLoose(action: Action, by: typeof buyer): boolean {
  return action === "accept-settlement" || (by === admin && action === "release");
}

test("all released in any cut: the parts' fees are the whole's", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt(1n, 3_000n), { maxLength: 20 }), (cuts) => {
      const world = createWorld();
      world.ask(s.createEscrow({ by: buyer }));
      world.ask(s.acceptTerms({ by: seller }));
      world.drain();
      world.deposit();
      for (const cut of [...cuts, 0n]) {
        world.drain();
        world.ask(s.releaseFunds({ by: buyer, amount: cut }));
      }
      world.drain();
      while (escrowOf(world).operations.length > 0) {
        world.conclude(0, "succeed");
        world.drain();
      }
      const all = { funded: 10_320n, released: 9_950n, fees: 370n };
      expect(fundsIn(escrowOf(world))).toEqual(all);
    }),
    { numRuns: 100 },
  );
});

/** One command per action, made so that only the guards can refuse it. */
function probes(escrow: Escrow): [Action, (by: typeof buyer) => s.StepAt][] {
  const locked = lockedIn(escrow, "");
  const all = freeIn(escrow, "");
  const longer = { ...terms, autoRelease: "P11D" };
  return [
    ["accept", (by) => s.acceptTerms({ by })],
    ["amend", (by) => s.amendTerms({ by, terms: longer })],
    ["cancel", (by) => s.cancelEscrow({ by })],
    ["deliver", (by) => s.markDelivered({ by })],
    ["release", (by) => s.releaseFunds({ by, approved: true })],
    ["refund", (by) => s.refundEscrow({ by, approved: true })],
    ["dispute", (by) => s.raiseDispute({ by })],
    ["withdraw-dispute", (by) => s.withdrawDispute({ by })],
    ["resolve", (by) => s.resolveDispute({ by, buyer: locked, seller: 0n })],
    ["evidence", (by) => s.addEvidence({ by })],
    ["settlement-offers", (by) => s.offerSettlement({ by, buyer: all, seller: 0n })],
    ["accept-settlement", (by) => s.acceptSettlement({ by })],
    ["unblock", (by) => s.unblockEscrow({ by, approved: true })],
  ];
}

function throughBytes(body: EventBody): EventBody {
  const event = fromBinary(EventSchema, toBinary(EventSchema, eventOf(body)));
  return event.body as EventBody;
}

function eventOf(body: EventBody) {
  const event = fromBinary(EventSchema, new Uint8Array());
  event.body = body;
  return event;
}
