/** What an escrow must remember is bounded, and nobody's money waits because of it. */
import { expect, test } from "bun:test";
import { Operation_Status } from "#gen/escrow/v1/types_pb";
import * as s from "../../../../test/support/escrow-steps.ts";
import {
  decideStep,
  events,
  fold,
  fundsIn,
  given,
  outcome,
  play,
  rejected,
  stateName,
  stepOn,
} from "../../../../test/support/given.ts";

const { buyer, seller, admin } = s;
const funded = play(
  s.createEscrow({ by: buyer }),
  s.acceptTerms({ by: seller }),
  s.deposit(10_320n),
  s.paymentSucceeded(),
);
const partOf10 = s.refundEscrow({ by: seller, amount: 10n });

function then(escrow: typeof funded, at: s.StepAt): typeof funded {
  const step = stepOn(escrow, at);
  const decision = decideStep(escrow, step);
  if ("rejected" in decision) throw new Error(JSON.stringify(outcome(decision)));
  return fold(escrow, step, decision.events) ?? escrow;
}

function parts(count: number) {
  let escrow = funded;
  for (let i = 0; i < count; i++) escrow = then(then(escrow, partOf10), s.refundSucceeded());
  return escrow;
}

const full = parts(100);

test("a hundred parts are remembered, because each may still come back", () => {
  expect(full.operations.length).toBe(100);
  const first = full.operations[0];
  const back = s.refundFailed({ afterConfirmation: true });
  // The oldest one comes back: the state as if it were the only operation says which.
  const step = stepOn({ ...full, operations: first ? [first] : [] }, back);
  const owed = then(full, step);
  expect(stateName(owed)).toBe("REFUNDING");
  expect(owed.operations[0]?.status).toBe(Operation_Status.FAILED);
  expect(owed.milestones[0]).toMatchObject({ held: 9_000n, reserved: 10n, refunded: 990n });
});

test("one more part is refused, to the seller as to the buyer and the operators", () => {
  given(full).when(partOf10).then(rejected("TOO_MANY_PARTS"));
  given(full)
    .when(s.releaseFunds({ by: buyer, amount: 10n }))
    .then(rejected("TOO_MANY_PARTS"));
  given(full)
    .when(s.releaseFunds({ by: admin, approved: true, amount: 10n }))
    .then(rejected("TOO_MANY_PARTS"));
});

test("all that is held still goes either way, named or not", () => {
  given(full)
    .when(s.refundEscrow({ by: seller }))
    .then(events("refundRequested"));
  given(full)
    .when(s.releaseFunds({ by: buyer }))
    .then(events("releaseRequested"));
  given(full)
    .when(s.releaseFunds({ by: buyer, amount: 9_000n }))
    .then(events("releaseRequested"));
  const done = then(then(full, s.refundEscrow({ by: seller })), s.refundSucceeded());
  expect(stateName(done)).toBe("REFUNDED");
  expect(fundsIn(done)).toEqual({ funded: 10_320n, refunded: 10_320n });
});

test("a dispute is still split", () => {
  const disputed = then(full, s.raiseDispute({ by: buyer }));
  given(disputed)
    .when(s.resolveDispute({ by: admin, buyer: 4_000n, seller: 5_000n }))
    .then(events("disputeResolved", "releaseRequested", "refundRequested"));
});

test("a release that was paid out takes no place", () => {
  let escrow = parts(99);
  for (let i = 0; i < 3; i++) {
    escrow = then(then(escrow, s.releaseFunds({ by: buyer, amount: 10n })), s.transferSucceeded());
  }
  expect(escrow.operations.length).toBe(99);
});
