/** A person's command has an outcome that is said: events or a rejection, never nothing. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Escrow } from "#gen/escrow/v1/types_pb";
import * as s from "../../../../test/support/escrow-steps.ts";
import {
  decideStep,
  fold,
  given,
  outcome,
  play,
  rejected,
  stepOn,
} from "../../../../test/support/given.ts";

const { buyer, seller, admin } = s;
const parts = s.terms({ parts: [5_000n, 5_000n] });
const funded: readonly s.StepAt[] = [
  s.createEscrow({ by: buyer, terms: parts }),
  s.acceptTerms({ by: seller }),
  s.deposit(10_320n),
  s.paymentSucceeded(),
];

/** The whole is on its way to the seller, and some of m1 came back meanwhile. */
const crossed: readonly s.StepAt[] = [
  ...funded,
  s.refundEscrow({ by: seller, milestoneId: "m1", amount: 300n }),
  s.releaseFunds({ by: buyer }),
  s.refundRejected(),
];
const disputed = [...crossed, s.raiseDispute({ by: buyer, milestoneId: "m1" })];

test("an operator's release that only a dispute holds back is refused, not silently taken", () => {
  const waiting = play(...disputed, s.transferRejected());
  given(waiting)
    .when(s.releaseFunds({ by: admin, approved: true, milestoneId: "m2" }))
    .then(rejected("ESCROW_LOCKED"));
});

const people = [buyer, seller, admin] as const;
const milestoneId = fc.constantFrom("", "m1", "m2");
const who = fc.constantFrom(...people);
const amount = fc.constantFrom(0n, 0n, 300n, 4_700n);
const ask = fc.record({ by: who, milestoneId, amount });
const command: fc.Arbitrary<s.StepAt> = fc.oneof(
  { weight: 4, arbitrary: ask.map((asked) => s.releaseFunds({ ...asked, approved: true })) },
  ask.map((asked) => s.refundEscrow({ ...asked, approved: true })),
  ask.map(({ by, milestoneId: named }) => s.raiseDispute({ by, milestoneId: named })),
  ask.map(({ by, milestoneId: named }) => s.withdrawDispute({ by, milestoneId: named })),
  ask.map(({ by, milestoneId: named }) => s.markDelivered({ by, milestoneId: named })),
  ask.map(({ by, milestoneId: named }) =>
    s.resolveDispute({ by, milestoneId: named, buyer: 300n, seller: 4_700n }),
  ),
  ask.map(({ by, milestoneId: named }) =>
    s.offerSettlement({ by, milestoneId: named, buyer: 300n, seller: 4_700n }),
  ),
  who.map((by) => s.acceptSettlement({ by })),
  who.map((by) => s.cancelEscrow({ by })),
  who.map((by) => s.addEvidence({ by })),
  who.map((by) => s.amendTerms({ by, terms: parts })),
  who.map((by) => s.acceptAmendment({ by })),
  who.map((by) => s.acceptTerms({ by })),
  who.map((by) => s.unblockEscrow({ by, approved: true })),
);
/** A fact that fits no operation on its way would be corruption: it is left out then. */
const fact: fc.Arbitrary<s.StepAt> = fc.constantFrom(
  s.transferSucceeded(),
  s.transferRejected(),
  s.refundSucceeded(),
  s.refundRejected(),
  s.sellerReady(),
  s.screeningHeld(),
  s.screeningCleared(),
);

function inFlight(escrow: Escrow, at: s.StepAt): boolean {
  try {
    const { input } = stepOn(escrow, at);
    if (!("operationId" in input.value)) return true;
    const { operationId } = input.value;
    return escrow.operations.some((o) => o.operationId === operationId && o.status === 1);
  } catch {
    return false;
  }
}

test("no history makes a person's command succeed without an event", () => {
  const starts = fc.constantFrom(play(...funded), play(...crossed), play(...disputed));
  const steps = fc.array(
    fc.oneof({ weight: 3, arbitrary: command }, { weight: 2, arbitrary: fact }),
    {
      maxLength: 14,
    },
  );
  fc.assert(
    fc.property(starts, steps, (start, history) => {
      let escrow: Escrow = start;
      for (const at of history) {
        if (!inFlight(escrow, at)) continue;
        const step = stepOn(escrow, at);
        const decision = decideStep(escrow, step);
        if (step.actor !== s.system) expect(outcome(decision)).not.toEqual({ events: [] });
        if ("events" in decision) escrow = fold(escrow, step, decision.events) ?? escrow;
      }
    }),
    { numRuns: 400 },
  );
});
