/** Rules the table's plain commands do not reach: amounts, milestones, agreement, standing decisions. */
import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type Actor, Actor_Kind, ActorSchema } from "#gen/escrow/v1/types_pb";
import * as s from "../../../../test/support/escrow-steps.ts";
import {
  events,
  fundsIn,
  given,
  nothing,
  play,
  rejected,
  stateName,
} from "../../../../test/support/given.ts";
import type { EventBody } from "./messages.ts";
import { react } from "./react.ts";

const { buyer, seller, admin } = s;
const parts = s.terms({ parts: [3_000n, 3_000n, 4_000n] });
const funded = (terms = s.terms()) => [
  s.createEscrow({ by: buyer, terms }),
  s.acceptTerms({ by: seller }),
  s.deposit(10_320n),
  s.paymentSucceeded(),
];

describe("amounts", () => {
  const escrow = play(...funded(parts));
  test.each<[string, s.StepAt, ReturnType<typeof events>]>([
    [
      "more than a milestone holds",
      s.releaseFunds({ by: buyer, milestoneId: "m1", amount: 3_001n }),
      rejected("INSUFFICIENT_HELD"),
    ],
    ["of no milestone", s.releaseFunds({ by: buyer, amount: 1n }), rejected("MILESTONE_REQUIRED")],
    [
      "of an unknown milestone",
      s.releaseFunds({ by: buyer, milestoneId: "m9" }),
      rejected("MILESTONE_UNKNOWN"),
    ],
    [
      "in another currency",
      s.releaseFunds({ by: buyer, currency: "EUR" }),
      rejected("CURRENCY_MISMATCH"),
    ],
    [
      "below zero",
      s.refundEscrow({ by: seller, milestoneId: "m1", amount: -1n }),
      rejected("AMOUNT"),
    ],
    [
      "exactly what is held",
      s.releaseFunds({ by: buyer, milestoneId: "m1", amount: 3_000n }),
      events("releaseRequested"),
    ],
  ])("%s", (_, step, expected) => {
    given(escrow).when(step).then(expected);
  });
});

// M2, pitfall 2: over-release.
test("parallel partial releases go on while RELEASING, up to what is held", () => {
  const both = play(
    ...funded(),
    s.releaseFunds({ by: buyer, amount: 6_000n }),
    s.releaseFunds({ by: buyer, amount: 4_000n }),
  );
  expect(stateName(both)).toBe("RELEASING");
  expect(new Set(both.operations.map((o) => o.operationId)).size).toBe(2);
  given(both)
    .when(s.releaseFunds({ by: buyer, amount: 1n }))
    .then(rejected("INSUFFICIENT_HELD"));
});

// D5, D1, pitfall 29.
describe("a disputed milestone", () => {
  const escrow = play(...funded(parts), s.raiseDispute({ by: buyer, milestoneId: "m2" }));
  test("is locked, the others move on", () => {
    expect(stateName(escrow)).toBe("DISPUTED");
    given(escrow)
      .when(s.releaseFunds({ by: buyer, milestoneId: "m2" }))
      .then(rejected("ESCROW_LOCKED"));
    given(escrow)
      .when(s.markDelivered({ by: seller, milestoneId: "m2" }))
      .then(rejected("ESCROW_LOCKED"));
    given(escrow)
      .when(s.cancelEscrow({ by: buyer }))
      .then(rejected("ESCROW_LOCKED"));
    const moved = play(
      ...funded(parts),
      s.raiseDispute({ by: buyer, milestoneId: "m2" }),
      s.releaseFunds({ by: buyer }),
    );
    expect(moved.milestones.map((m) => m.held)).toEqual([0n, 3_000n, 0n]);
  });
  test("is split only to the unit of what is locked", () => {
    given(escrow)
      .when(s.resolveDispute({ by: admin, buyer: 1_000n, seller: 1_999n }))
      .then(rejected("SPLIT_SUM"));
    given(escrow)
      .when(s.resolveDispute({ by: admin, buyer: 3_000n, seller: 0n }))
      .then(events("disputeResolved", "refundRequested"));
  });
  test("is not arbitrated by a party, whatever role the token has", () => {
    const both: Actor = { ...buyer, roles: ["admin"] };
    given(escrow)
      .when(s.resolveDispute({ by: both, buyer: 3_000n, seller: 0n }))
      .then(rejected("ROLE_REQUIRED"));
  });
});

// D6
describe("a settlement", () => {
  const offered = [
    ...funded(),
    s.raiseDispute({ by: buyer }),
    s.offerSettlement({ by: buyer, buyer: 4_000n, seller: 6_000n }),
  ];
  test("is taken by the other party and acts as a decision", () => {
    given(play(...offered))
      .when(s.acceptSettlement({ by: seller }))
      .then(events("disputeResolved", "releaseRequested", "refundRequested"));
    given(play(...offered))
      .when(s.acceptSettlement({ by: buyer }))
      .then(rejected("ALREADY_ACCEPTED"));
  });
  test("must be of all that is free, also when it is taken later", () => {
    given(play(...funded()))
      .when(s.offerSettlement({ by: buyer, buyer: 1n, seller: 1n }))
      .then(rejected("SPLIT_SUM"));
    const moved = play(
      ...funded(),
      s.offerSettlement({ by: seller, buyer: 10_000n, seller: 0n }),
      s.releaseFunds({ by: buyer, amount: 1n }),
    );
    given(moved)
      .when(s.acceptSettlement({ by: buyer }))
      .then(rejected("SPLIT_SUM"));
  });
});

// L4
test("a funded escrow is cancelled by both, as a refund of what is held", () => {
  const asked = [...funded(), s.cancelEscrow({ by: seller })];
  given(play(...asked))
    .when(s.cancelEscrow({ by: seller }))
    .then(rejected("ALREADY_ACCEPTED"));
  const both = play(...asked, s.cancelEscrow({ by: buyer }));
  expect(stateName(both)).toBe("REFUNDING");
  expect(both.cancelRequestedBy).toBe("");
});

// L3, L9
describe("an amendment", () => {
  const later = s.terms({ autoRelease: "P9D" });
  test("needs the other party's consent to exactly these terms", () => {
    const escrow = play(...funded(), s.amendTerms({ by: buyer, terms: later }));
    given(escrow)
      .when(s.acceptAmendment({ by: buyer }))
      .then(rejected("ALREADY_ACCEPTED"));
    given(escrow)
      .when(s.amendTerms({ by: seller, termsHash: "0".repeat(64) }))
      .then(rejected("TERMS_HASH_MISMATCH"));
    given(escrow)
      .when(s.acceptAmendment({ by: seller }))
      .then(events("termsAmended"));
    given(escrow)
      .when(s.amendTerms({ by: seller, terms: later }))
      .then(events("termsAmended"));
  });
  test("never touches parties or currency, nor money once funding is open", () => {
    const open = play(s.createEscrow({ by: buyer }));
    const paid = play(...funded());
    const amend = (terms: typeof later) => s.amendTerms({ by: buyer, terms });
    given(open)
      .when(amend(s.terms({ sellerId: "eve" })))
      .then(rejected("TERMS_IMMUTABLE"));
    given(open)
      .when(amend(s.terms({ currency: "EUR" })))
      .then(rejected("TERMS_IMMUTABLE"));
    given(open)
      .when(amend(s.terms({ amount: 9_000n })))
      .then(events("termsAmendmentProposed"));
    given(paid)
      .when(amend(s.terms({ amount: 9_000n })))
      .then(rejected("TERMS_IMMUTABLE"));
    given(paid).when(amend(parts)).then(rejected("TERMS_IMMUTABLE"));
  });
  test("proposed before funding opened leaves the money that was accepted meanwhile", () => {
    const escrow = play(
      s.createEscrow({ by: buyer }),
      s.amendTerms({ by: buyer, terms: s.terms({ amount: 9_000n }) }),
      s.acceptTerms({ by: seller }),
    );
    given(escrow)
      .when(s.acceptAmendment({ by: seller }))
      .then(rejected("TERMS_IMMUTABLE"));
  });
  test("of a proposal, accepted, opens funding with the new money", () => {
    const escrow = play(
      s.createEscrow({ by: buyer }),
      s.amendTerms({ by: seller, terms: s.terms({ amount: 9_000n }) }),
      s.acceptAmendment({ by: buyer }),
    );
    expect(stateName(escrow)).toBe("AWAIT_FUNDS");
    expect(escrow.milestones.map((m) => m.amount)).toEqual([9_000n]);
    expect(escrow.terms?.buyerFee).toBe(291n);
  });
});

describe("a release that stands", () => {
  const blocked = [
    ...funded(),
    s.releaseFunds({ by: buyer, amount: 6_000n }),
    s.transferRejected(),
  ];
  test("claims its part, the rest stays free", () => {
    const escrow = play(...blocked);
    expect(escrow.milestones[0]).toMatchObject({ held: 10_000n, standing: 6_000n });
    given(escrow)
      .when(s.releaseFunds({ by: buyer, amount: 4_001n }))
      .then(rejected("DECISION_STANDS"));
    given(escrow)
      .when(s.raiseDispute({ by: buyer }))
      .then(rejected("DECISION_STANDS"));
  });
  test("gives way to the seller's refund, as far as that takes it", () => {
    const escrow = play(...blocked, s.refundEscrow({ by: seller, amount: 7_000n }));
    expect(escrow.milestones[0]).toMatchObject({ held: 3_000n, standing: 3_000n });
    const whole = play(...blocked, s.refundEscrow({ by: seller }));
    expect(stateName(whole)).toBe("REFUNDING");
    given(whole).when(s.sellerReady()).then(nothing);
  });
  test("is not sent while frozen, and is asked again when the freeze ends", () => {
    const frozen = [...blocked, s.chargebackOpened(1_000n, 32n)];
    given(play(...frozen))
      .when(s.sellerReady())
      .then(nothing);
    given(play(...frozen))
      .when(s.chargebackWon(1_000n, 32n))
      .then(events("unfrozen", "releaseResumed"));
  });
});

describe("two operators", () => {
  test("are two different people, and no party", () => {
    const escrow = play(...funded());
    const by = (approvedBy: string[]): s.Step => ({ ...s.releaseFunds({ by: admin }), approvedBy });
    given(escrow)
      .when(by(["root", "root"]))
      .then(rejected("APPROVAL_REQUIRED"));
    given(escrow)
      .when(by(["root", "alice"]))
      .then(rejected("APPROVAL_REQUIRED"));
    given(escrow)
      .when(by(["root", "rita"]))
      .then(events("releaseRequested"));
  });
  // C2, pitfall 34: blocked, not refunded.
  test("lift a block; the money moves only when payments says so, then all is as before", () => {
    const hit = { held: -10_000n, fees: -320n, blocked: 10_320n };
    const lifted = [
      ...funded(),
      s.fundsBlocked(hit),
      s.unblockEscrow({ by: admin, approved: true }),
    ];
    const escrow = play(...lifted);
    expect(stateName(escrow)).toBe("BLOCKED");
    given(escrow)
      .when(s.releaseFunds({ by: buyer }))
      .then(rejected("ESCROW_LOCKED"));
    const freed = play(
      ...lifted,
      s.fundsUnblocked({ held: 10_000n, fees: 320n, blocked: -10_320n }),
    );
    expect([stateName(freed), fundsIn(freed)]).toEqual(["FUNDS_HELD", fundsIn(play(...funded()))]);
  });
  test("a block before the funding keeps the money out of reach", () => {
    const escrow = play(
      s.createEscrow({ by: buyer }),
      s.acceptTerms({ by: seller }),
      s.deposit(10_320n),
      s.fundsBlocked({ pending: -10_320n, blocked: 10_320n }),
    );
    expect([stateName(escrow), fundsIn(escrow)]).toEqual([
      "BLOCKED",
      { funded: 10_320n, blocked: 10_320n },
    ]);
  });
});

// R4: several at once; R6: an inquiry that escalates.
test("two chargebacks close in any order; the last one ends the freeze", () => {
  const two = [
    ...funded(),
    s.chargebackOpened(4_000n, 100n),
    s.chargebackOpened(6_000n, 220n, "dp_2"),
  ];
  const one = [...two, s.chargebackWon(4_000n, 100n)];
  expect(stateName(play(...one))).toBe("FROZEN");
  expect(stateName(play(...one, s.chargebackLost("dp_2")))).toBe("FUNDS_HELD");
});
test("an inquiry that becomes a chargeback freezes", () => {
  given(play(...funded(), s.inquiryOpened()))
    .when(s.chargebackOpened(10_000n, 320n))
    .then(events("riskCleared", "frozen"));
});

describe("who acts", () => {
  const shop = create(ActorSchema, { kind: Actor_Kind.USER, id: "shop", roles: ["service"] });
  const forBuyer = (serviceId: string): Actor => ({ ...buyer, serviceId });
  test("a service acts for members of escrows it created, of no others", () => {
    const made = play(s.createEscrow({ by: shop }));
    given(made)
      .when(s.acceptTerms({ by: forBuyer("shop") }))
      .then(events("termsAccepted"));
    given(made)
      .when(s.acceptTerms({ by: forBuyer("other") }))
      .then(rejected("NOT_FOUND"));
    given(made)
      .when(s.acceptTerms({ by: shop }))
      .then(rejected("ROLE_REQUIRED"));
    given(play(...funded()))
      .when(s.releaseFunds({ by: forBuyer("shop") }))
      .then(rejected("NOT_FOUND"));
  });
  test("an escrow made by a service waits for both parties", () => {
    const made = play(s.createEscrow({ by: shop }), s.acceptTerms({ by: seller }));
    expect(stateName(made)).toBe("PROPOSED");
  });
  test("only the system's contract is accepted by both at once", () => {
    given(undefined)
      .when(s.createEscrow({ by: s.system, acceptedByBoth: true }))
      .then(events("created", "awaitFunds"));
    given(undefined)
      .when(s.createEscrow({ by: buyer, acceptedByBoth: true }))
      .then(events("created"));
    given(undefined)
      .when(s.createEscrow({ by: s.stranger }))
      .then(rejected("ROLE_REQUIRED"));
  });
  // I8
  test("a stale If-Match is told before anything else is judged", () => {
    const escrow = play(...funded());
    const stale = { ...s.releaseFunds({ by: seller }), expectedVersion: 1n };
    given(escrow).when(stale).then(rejected("VERSION_MOVED"));
    given(escrow)
      .when({ ...s.releaseFunds({ by: buyer }), expectedVersion: escrow.version })
      .then(events("releaseRequested"));
  });
});

test("payments is asked for exactly what was decided", () => {
  const before = play(...funded(), s.raiseDispute({ by: buyer }));
  const { decision } = given(before).when(
    s.resolveDispute({ by: admin, buyer: 4_000n, seller: 6_000n }),
  );
  const bodies: readonly EventBody[] = "events" in decision ? decision.events : [];
  const asked = bodies.flatMap((body) => react(before, body, before));
  expect(asked.map(({ case: name, value }) => ({ name, ...value }))).toMatchObject([
    {
      name: "transferToSeller",
      sellerId: "bob",
      amount: { amount: 6_000n, currency: "USD" },
      fee: 30n,
    },
    {
      name: "initiateRefund",
      buyerId: "alice",
      amount: { amount: 4_000n },
      feeReturned: 128n,
      reason: "ARBITER",
    },
  ]);
});
