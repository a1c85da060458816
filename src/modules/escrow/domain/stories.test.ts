/** The life of 10,000 USD with fees 320 and 50, told in numbers: every unit is somewhere. */
import { describe, expect, test } from "bun:test";
import { DepositReceived_Disposition } from "#gen/payments/v1/events_pb";
import * as s from "../../../../test/support/escrow-steps.ts";
import {
  fundsIn,
  given,
  nothing,
  play,
  stateName,
  stepOn,
} from "../../../../test/support/given.ts";

const { buyer, seller, admin } = s;
const proposed = [s.createEscrow({ by: buyer })];
const awaiting = [...proposed, s.acceptTerms({ by: seller })];
const funded = [...awaiting, s.deposit(10_320n), s.paymentSucceeded()];

function after(...steps: s.StepAt[]) {
  const escrow = play(...steps);
  return { state: stateName(escrow), funds: fundsIn(escrow) };
}

describe("story 1: delivered and released", () => {
  test("funding holds the amount and keeps the buyer's fee", () => {
    expect(after(...funded)).toEqual({
      state: "FUNDS_HELD",
      funds: { funded: 10_320n, held: 10_000n, fees: 320n },
    });
  });
  test("a release is RELEASING until the provider confirmed", () => {
    const releasing = [...funded, s.releaseFunds({ by: buyer })];
    expect(after(...releasing)).toEqual({
      state: "RELEASING",
      funds: { funded: 10_320n, reserved: 10_000n, fees: 320n },
    });
    expect(after(...releasing, s.transferSucceeded())).toEqual({
      state: "RELEASED",
      funds: { funded: 10_320n, released: 9_950n, fees: 370n },
    });
  });
});

test("story 3: milestones released, released in part, refunded; the fees are the whole's", () => {
  const parts = s.terms({ parts: [3_333n, 3_333n, 3_334n] });
  const fees: bigint[] = [];
  const settled =
    (at: s.StepAt): s.StepAt =>
    (escrow) => {
      fees.push(escrow.operations.at(-1)?.fee ?? 0n);
      return stepOn(escrow, at);
    };
  const escrow = play(
    s.createEscrow({ by: buyer, terms: parts }),
    s.acceptTerms({ by: seller }),
    s.deposit(10_320n),
    s.paymentSucceeded(),
    s.releaseFunds({ by: buyer, milestoneId: "m1" }),
    settled(s.transferSucceeded()),
    s.releaseFunds({ by: buyer, milestoneId: "m2", amount: 300n }),
    settled(s.transferSucceeded()),
    s.refundEscrow({ by: seller, milestoneId: "m3" }),
    settled(s.refundSucceeded()),
    s.releaseFunds({ by: buyer }),
    settled(s.transferSucceeded()),
  );
  expect(fees).toEqual([16n, 2n, 106n, 15n]);
  expect(stateName(escrow)).toBe("CLOSED");
  expect(fundsIn(escrow)).toEqual({
    funded: 10_320n,
    released: 6_633n,
    refunded: 3_440n,
    fees: 247n,
  });
});

test("story 4: a split pays both sides out of their shares", () => {
  const escrow = play(
    ...funded,
    s.raiseDispute({ by: buyer }),
    s.resolveDispute({ by: admin, buyer: 4_000n, seller: 6_000n }),
    s.transferSucceeded(),
    s.refundSucceeded(),
  );
  expect(stateName(escrow)).toBe("CLOSED");
  expect(fundsIn(escrow)).toEqual({
    funded: 10_320n,
    released: 5_970n,
    refunded: 4_128n,
    fees: 222n,
  });
});

describe("story 5: a full refund gives the fee back", () => {
  const refunded = [...funded, s.refundEscrow({ by: seller }), s.refundSucceeded()];
  test("held and fee are reserved together", () => {
    expect(after(...funded, s.refundEscrow({ by: seller }))).toEqual({
      state: "REFUNDING",
      funds: { funded: 10_320n, reserved: 10_320n },
    });
    expect(after(...refunded)).toEqual({
      state: "REFUNDED",
      funds: { funded: 10_320n, refunded: 10_320n },
    });
  });
  test("story 5b: one that fails after its confirmation is owed again", () => {
    const failed = [...refunded, s.refundFailed({ afterConfirmation: true })];
    expect(after(...failed)).toEqual({
      state: "REFUNDING",
      funds: { funded: 10_320n, reserved: 10_320n },
    });
    expect(after(...failed, s.refundSucceeded()).state).toBe("REFUNDED");
  });
  test("terms that keep the fee return the amount alone", () => {
    const keep = s.terms({ feeRefund: 2 });
    const escrow = play(
      s.createEscrow({ by: buyer, terms: keep }),
      s.acceptTerms({ by: seller }),
      s.deposit(10_320n),
      s.paymentSucceeded(),
      s.refundEscrow({ by: seller }),
      s.refundSucceeded(),
    );
    expect(fundsIn(escrow)).toEqual({ funded: 10_320n, refunded: 10_000n, fees: 320n });
  });
});

describe("story 6: a cancel races the payment", () => {
  const cancelled = [...awaiting, s.cancelEscrow({ by: buyer })];
  test("late money shows as pending and goes back; the escrow stays CANCELLED", () => {
    const late = [...cancelled, s.deposit(10_320n, DepositReceived_Disposition.LATE)];
    expect(after(...late)).toEqual({
      state: "CANCELLED",
      funds: { funded: 10_320n, pending: 10_320n },
    });
    const back = [
      s.ledgerPosted("late", { pending: -10_320n, reserved: 10_320n }),
      s.ledgerPosted("late", { reserved: -10_320n, refunded: 10_320n }),
    ];
    expect(after(...late, ...back)).toEqual({
      state: "CANCELLED",
      funds: { funded: 10_320n, refunded: 10_320n },
    });
  });
  test("a payment that succeeded is refunded whole, with the whole fee, never both", () => {
    const paid = [...cancelled, s.deposit(10_320n), s.paymentSucceeded()];
    expect(after(...paid)).toEqual({
      state: "CANCELLED",
      funds: { funded: 10_320n, reserved: 10_320n },
    });
    const escrow = play(...paid, s.refundSucceeded());
    expect(stateName(escrow)).toBe("CANCELLED");
    expect(fundsIn(escrow)).toEqual({ funded: 10_320n, refunded: 10_320n });
    given(escrow).when(s.sellerReady()).then(nothing);
  });
});

test("story 7: short, then complete with an excess that goes back", () => {
  const short = [...awaiting, s.deposit(6_000n, DepositReceived_Disposition.SHORT)];
  expect(after(...short)).toEqual({
    state: "AWAIT_FUNDS",
    funds: { funded: 6_000n, pending: 6_000n },
  });
  const full = [...short, s.deposit(4_820n), s.paymentSucceeded()];
  expect(after(...full)).toEqual({
    state: "FUNDS_HELD",
    funds: { funded: 10_820n, pending: 500n, held: 10_000n, fees: 320n },
  });
  const excess = [
    s.ledgerPosted("excess", { pending: -500n, reserved: 500n }),
    s.ledgerPosted("excess", { reserved: -500n, refunded: 500n }),
  ];
  expect(after(...full, ...excess)).toEqual({
    state: "FUNDS_HELD",
    funds: { funded: 10_820n, held: 10_000n, fees: 320n, refunded: 500n },
  });
});

describe("story 8: a chargeback before the release", () => {
  const frozen = [...funded, s.chargebackOpened(10_000n, 320n)];
  test("takes held and fee, freezes, and lost it is charged back", () => {
    expect(after(...frozen)).toEqual({
      state: "FROZEN",
      funds: { funded: 10_320n, chargedBack: 10_320n },
    });
    expect(after(...frozen, s.chargebackLost()).state).toBe("CHARGED_BACK");
  });
  test("won: everything is as before", () => {
    expect(after(...frozen, s.chargebackWon(10_000n, 320n))).toEqual(after(...funded));
  });
  test("story 8p: lost in part, the rest stays held", () => {
    const part = [...funded, s.chargebackOpened(3_876n, 124n), s.chargebackLost()];
    expect(after(...part)).toEqual({
      state: "FUNDS_HELD",
      funds: { funded: 10_320n, held: 6_124n, fees: 196n, chargedBack: 4_000n },
    });
    const rest = [...part, s.refundEscrow({ by: seller }), s.refundSucceeded()];
    expect(after(...rest).funds).toEqual({
      funded: 10_320n,
      refunded: 6_319n,
      fees: 1n,
      chargedBack: 4_000n,
    });
  });
  test("one that crosses a release on its way takes the money, not the balance below zero", () => {
    const crossing = [...funded, s.releaseFunds({ by: buyer }), s.chargebackOpened(10_000n, 320n)];
    expect(after(...crossing)).toEqual({
      state: "FROZEN",
      funds: { funded: 10_320n, chargedBack: 10_320n },
    });
    const refused = [...crossing, s.transferRejected("FUNDS_UNAVAILABLE")];
    expect(after(...refused)).toEqual(after(...crossing));
    expect(after(...refused, s.chargebackLost()).state).toBe("CHARGED_BACK");
    expect(after(...refused, s.chargebackWon(10_000n, 320n))).toEqual(after(...funded));
    expect(after(...crossing, s.chargebackWon(10_000n, 320n))).toEqual({
      state: "RELEASING",
      funds: { funded: 10_320n, reserved: 10_000n, fees: 320n },
    });
  });
});

test("story 11: a transfer the seller cannot receive stands and is resumed once he can", () => {
  const asked = [
    ...funded,
    s.releaseFunds({ by: buyer }),
    s.ledgerPosted("netting", { reserved: -500n, released: 500n }),
  ];
  const refused: s.StepAt = (escrow) => {
    const { input } = stepOn(escrow, s.transferRejected());
    return s.fact(input, { held: 10_000n, reserved: -9_500n, released: -500n });
  };
  const blocked = [...asked, refused];
  expect(after(...blocked)).toEqual({
    state: "RELEASE_BLOCKED",
    funds: { funded: 10_320n, held: 10_000n, fees: 320n },
  });
  const first = play(...asked).operations.at(-1)?.operationId;
  const resumed = play(...blocked, s.sellerReady());
  expect(stateName(resumed)).toBe("RELEASING");
  expect(resumed.operations.map((o) => o.operationId)).not.toContain(first ?? "");
  expect(after(...blocked, s.sellerReady(), s.transferSucceeded())).toEqual({
    state: "RELEASED",
    funds: { funded: 10_320n, released: 9_950n, fees: 370n },
  });
});
