/** Deadlines: armed from the terms, paused to the millisecond, obsolete ones harmless. */
import { describe, expect, test } from "bun:test";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Escrow, Timer_Kind } from "#gen/escrow/v1/types_pb";
import * as s from "../../../../test/support/escrow-steps.ts";
import { events, given, nothing, play, stateName } from "../../../../test/support/given.ts";
import { overdueTimers, timerCommand } from "./timers.ts";

const { buyer, seller, admin, day } = s;
const at =
  (ms: bigint, step: s.StepAt): s.StepAt =>
  (escrow) => ({ ...(typeof step === "function" ? step(escrow) : step), now: s.after(ms) });
const created = (asked = s.terms()) => [s.createEscrow({ by: buyer, terms: asked })];
const funded = (asked = s.terms()) => [
  ...created(asked),
  s.acceptTerms({ by: seller }),
  s.deposit(10_320n),
  s.paymentSucceeded(),
];

const accepted = [...created(), s.acceptTerms({ by: seller })];

function timersIn(escrow: Escrow) {
  return escrow.timers.map(({ kind, milestoneId, dueAt, paused, remainingMs }) => {
    const name = milestoneId ? `${Timer_Kind[kind]} ${milestoneId}` : Timer_Kind[kind];
    return [name, paused ? remainingMs : dueAt && timestampDate(dueAt).toISOString()];
  });
}

describe("T1: the deadlines of the terms", () => {
  test("funding runs from the creation, whoever accepts later", () => {
    const escrow = play(...created(), at(day, s.acceptTerms({ by: seller })));
    expect(timersIn(escrow)).toEqual([["FUNDING", "2026-01-08T12:00:00.000Z"]]);
  });
  test("funding is due ten days later while a payment is processing, and as before when it fails", () => {
    const waiting = play(
      ...created(),
      s.acceptTerms({ by: seller }),
      at(day, s.paymentProcessing()),
    );
    expect(timersIn(waiting)).toEqual([["FUNDING", "2026-01-18T12:00:00.000Z"]]);
    given(waiting).when(s.expireFunding()).then(events("deadlinePassed", "cancelled"));
    const failed = play(
      ...created(),
      s.acceptTerms({ by: seller }),
      at(day, s.paymentProcessing()),
      at(4n * day, s.paymentFailed()),
    );
    expect(timersIn(failed)).toEqual([["FUNDING", "2026-01-11T12:00:00.000Z"]]);
  });
  test("a lock takes away what a payment under way added, and gives it again", () => {
    const processing = [...accepted, at(day, s.paymentProcessing())];
    const held = [...processing, at(5n * day, s.screeningHeld())];
    expect(timersIn(play(...held))).toEqual([["FUNDING", 2n * day]]);
    const cleared = play(...held, at(6n * day, s.screeningCleared()));
    expect(timersIn(cleared)).toEqual([["FUNDING", "2026-01-23T12:00:00.000Z"]]);
  });
  test("new terms move the deadline of a payment under way, and what is left after it", () => {
    const longer = s.terms({ fundingDeadline: "P4D", reminders: ["P1D"] });
    const amended = [
      ...accepted,
      at(day, s.paymentProcessing()),
      at(day, s.amendTerms({ by: seller, terms: longer })),
      at(day, s.acceptAmendment({ by: buyer })),
    ];
    expect(timersIn(play(...amended))).toEqual([
      ["FUNDING", "2026-01-19T12:00:00.000Z"],
      ["REMINDER", 2n * day],
    ]);
    expect(timersIn(play(...amended, at(2n * day, s.paymentFailed())))).toEqual([
      ["FUNDING", "2026-01-10T12:00:00.000Z"],
      ["REMINDER", "2026-01-09T12:00:00.000Z"],
    ]);
  });
  test("delivery runs from the funding, inspection of a milestone from its delivery", () => {
    const asked = s.terms({ parts: [4_000n, 6_000n] });
    const part = [...funded(asked), at(day, s.markDelivered({ by: seller, milestoneId: "m2" }))];
    expect(timersIn(play(...part))).toEqual([
      ["DELIVERY", "2026-02-04T12:00:00.000Z"],
      ["AUTO_RELEASE m2", "2026-01-13T12:00:00.000Z"],
    ]);
  });
  test("what nobody delivered is refunded or released, as the terms say", () => {
    const escrow = play(...funded(s.terms({ deliveryOutcome: 1 })));
    given(escrow).when(s.expireDelivery()).then(events("deadlinePassed", "releaseRequested"));
  });
  test("pitfall 30: the arbiter's default falls to the side the terms name, once", () => {
    const disputed = play(...funded(s.terms({ defaultOutcome: 1 })), s.raiseDispute({ by: buyer }));
    const late = s.resolveByDefault();
    given(disputed)
      .when(late)
      .then(events("deadlinePassed", "disputeResolved", "releaseRequested"));
    const generation = disputed.timers.find((t) => t.kind === Timer_Kind.ARBITER)?.generation ?? 0;
    const resolved = play(
      ...funded(s.terms({ defaultOutcome: 1 })),
      s.raiseDispute({ by: buyer }),
      late,
    );
    given(resolved).when(s.autoRelease({ generation })).then(nothing);
    expect(resolved.timers).toEqual([]);
  });
});

describe("T4: pause and resume keep the time left", () => {
  const delivered = [...funded(), at(0n, s.markDelivered({ by: seller }))];
  test("a dispute stops the inspection and starts the arbiter's deadline", () => {
    const disputed = [...delivered, at(2n * day + 1n, s.raiseDispute({ by: buyer }))];
    expect(timersIn(play(...disputed))).toEqual([
      ["AUTO_RELEASE m1", 5n * day - 1n],
      ["ARBITER m1", "2026-02-06T12:00:00.001Z"],
    ]);
    const withdrawn = play(...disputed, at(9n * day, s.withdrawDispute({ by: buyer })));
    expect(timersIn(withdrawn)).toEqual([["AUTO_RELEASE m1", "2026-01-19T11:59:59.999Z"]]);
  });
  test("the generation from before a pause does nothing any more", () => {
    const before = play(...delivered).timers[0]?.generation ?? 0;
    const again = play(
      ...delivered,
      s.raiseDispute({ by: buyer }),
      s.withdrawDispute({ by: buyer }),
    );
    given(again)
      .when(s.autoRelease({ generation: before }))
      .then(nothing);
    given(again).when(s.autoRelease()).then(events("deadlinePassed", "releaseRequested"));
  });
  test("locks close in any order, and only the last one resumes", () => {
    const frozen = [
      ...delivered,
      at(day, s.raiseDispute({ by: buyer })),
      at(day, s.chargebackOpened(10_000n, 320n)),
      at(day, s.screeningHeld()),
      at(2n * day, s.withdrawDispute({ by: buyer })),
    ];
    expect(timersIn(play(...frozen))[0]).toEqual(["AUTO_RELEASE m1", 6n * day]);
    const won = [...frozen, at(3n * day, s.chargebackWon(10_000n, 320n))];
    expect(timersIn(play(...won))).toEqual([["AUTO_RELEASE m1", 6n * day]]);
    const cleared = play(...won, at(4n * day, s.screeningCleared()));
    expect(timersIn(cleared)).toEqual([["AUTO_RELEASE m1", "2026-01-15T12:00:00.000Z"]]);
  });
  test("an inquiry stops time and no money", () => {
    const held = play(...delivered, s.inquiryOpened());
    expect(timersIn(held)).toEqual([["AUTO_RELEASE m1", 7n * day]]);
    given(held)
      .when(s.refundEscrow({ by: seller }))
      .then(events("refundRequested"));
  });
  test("no timer runs while a decided release cannot be sent", () => {
    const blocked = play(...delivered, s.releaseFunds({ by: buyer }), s.transferRejected());
    expect(stateName(blocked)).toBe("RELEASE_BLOCKED");
    expect(blocked.timers).toEqual([]);
  });
  test("evidence moves the version and no timer", () => {
    const before = play(...delivered);
    const after = play(...delivered, s.addEvidence({ by: buyer }));
    expect(after.version).toBe(before.version + 1n);
    expect(after.timers).toEqual(before.timers);
  });
});

describe("T3: a command received after a deadline meets its effect", () => {
  const delivered = play(...funded(), at(0n, s.markDelivered({ by: seller })));
  test("at the due time nothing is overdue, a millisecond later it is", () => {
    expect(overdueTimers(delivered, s.after(7n * day))).toEqual([]);
    const overdue = overdueTimers(delivered, s.after(7n * day + 1n));
    expect(overdue.map((timer) => timerCommand(timer).case)).toEqual(["autoRelease"]);
  });
  test("a paused timer is never overdue", () => {
    const disputed = play(
      ...funded(),
      at(0n, s.markDelivered({ by: seller })),
      s.raiseDispute({ by: buyer }),
    );
    expect(overdueTimers(disputed, s.after(8n * day))).toEqual([]);
  });
  test("several are decided in the order they were due", () => {
    const asked = s.terms({ reminders: ["P1D", "PT1H"] });
    const escrow = play(...created(asked));
    const names = overdueTimers(escrow, s.after(4n * day)).map(
      (t) => `${timerCommand(t).case} ${t.before}`,
    );
    expect(names).toEqual(["remind P1D", "remind PT1H", "expireFunding "]);
  });
});

describe("T5: reminders", () => {
  const asked = s.terms({ reminders: ["P1D"] });
  test("are said once and go with their deadline", () => {
    const escrow = play(...created(asked));
    given(escrow).when(s.remind()).then(events("deadlineApproaching"));
    const reminded = play(...created(asked), s.remind());
    expect(timersIn(reminded)).toEqual([["FUNDING", "2026-01-08T12:00:00.000Z"]]);
    const paid = play(...funded(asked));
    expect(timersIn(paid)).toEqual([
      ["DELIVERY", "2026-02-04T12:00:00.000Z"],
      ["REMINDER", "2026-02-03T12:00:00.000Z"],
    ]);
  });
  test("one whose time has passed already is not armed", () => {
    expect(play(...created(s.terms({ reminders: ["P5D"] }))).timers).toHaveLength(1);
  });
});

test("L9: an amendment both accept moves the deadlines by the difference, paused ones too", () => {
  const longer = s.terms({ deliveryDeadline: "P40D", autoRelease: "P10D" });
  const amended = play(
    ...funded(),
    at(0n, s.markDelivered({ by: seller })),
    at(day, s.inquiryOpened()),
    at(day, s.amendTerms({ by: seller, terms: longer })),
    at(2n * day, s.acceptAmendment({ by: buyer })),
  );
  expect(amended.terms?.revision).toBe(2);
  expect(timersIn(amended)).toEqual([["AUTO_RELEASE m1", 9n * day]]);
  given(amended)
    .when(s.resolveDispute({ by: admin, buyer: 0n, seller: 0n }))
    .then({ rejected: "NOT_DISPUTED" });
});
