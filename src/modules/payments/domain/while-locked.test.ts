/** What comes back to an escrow under a sanctions hit is blocked like the rest, however it comes back. */
import { describe, expect, test } from "bun:test";
import { freshPayment } from "../../../../test/support/payment.ts";
import type { ProviderObject } from "../provider.ts";
import { conclude } from "./conclude.ts";
import type { Effect } from "./effect.ts";
import { evolveAll } from "./evolve.ts";
import { noFunds } from "./funds.ts";
import { observe } from "./observe.ts";
import { disputeSeen } from "./observe-dispute.ts";
import { newOperation, type Operation, type Payment } from "./payment.ts";
import type { Screening } from "./screening.ts";
import { whileBlocked } from "./taken-while-blocked.ts";
import { whileLocked } from "./while-locked.ts";

const now = new Date("2030-01-01T00:00:00Z");

const opened = freshPayment();

const hit: Screening = {
  reviewId: "rev_1",
  purpose: "PAYOUT",
  depositId: "",
  operationId: "op_other",
  partyId: "bob",
  address: "0x1",
  amount: 6_000n,
  currency: "USDC",
  state: "BLOCKED",
  reason: "SANCTIONED",
  told: false,
  decidedBy: [],
  blocked: { pending: 0n, held: 6_000n, fees: 192n, suspense: 0n },
  blockedAt: now,
  liftedAt: undefined,
  dueAt: undefined,
  tries: 1,
  openedAt: now,
};

/** 6000 were blocked with their part of the fee while 4000 were under way. */
function underHit(change: Partial<Payment["funds"]> = {}): Payment {
  const start = { funded: 10_320n, blocked: 6_192n, reserved: 4_000n, fees: 128n };
  return { ...opened, sanctioned: true, funds: { ...noFunds, ...start, ...change } };
}

function sent(kind: "TRANSFER" | "REFUND", change: Partial<Operation> = {}): Operation {
  const amounts =
    kind === "TRANSFER"
      ? { gross: 4_000n, fee: 20n, netted: 0n, net: 3_980n }
      : { gross: 4_000n, fee: 128n, netted: 0n, net: 4_128n };
  const made = newOperation({ operationId: "op_1", kind, target: "0x2", ...amounts }, now);
  return { ...made, state: "PENDING", tries: 1, objectId: "wdr_1", ...change };
}

function around(operation: Operation) {
  return {
    now,
    disputes: new Map(),
    operations: new Map([[operation.operationId, operation]]),
    owed: 0n,
    sellerAccount: "0x2",
    screenings: new Map([[hit.reviewId, hit]]),
  };
}

interface Left {
  readonly payment: Payment;
  readonly blocked: Screening["blocked"] | undefined;
}

function after(payment: Payment, operation: Operation, done: readonly Effect[]): Left {
  const effects = whileLocked(payment, done, around(operation));
  const hits = effects.flatMap((effect) => (effect.case === "screened" ? [effect.screening] : []));
  return { payment: evolveAll(payment, effects), blocked: hits.at(-1)?.blocked };
}

function seen(payment: Payment, operation: Operation, object: ProviderObject): Left {
  const done = observe(payment, object, { now, deposits: new Set(), operation });
  return after(payment, operation, done);
}

const made = { objectId: "wdr_1", operationId: "op_1" };
const transferIs = (status: "succeeded" | "failed") =>
  ({ ...made, kind: "transfer", status, fee: undefined }) as const;
const refundIs = (status: "succeeded" | "failed") =>
  ({ ...made, kind: "refund", status, code: "REFUSED", fee: undefined }) as const;

const allBlocked = { ...noFunds, funded: 10_320n, blocked: 10_320n };

describe("C2, pitfall 34: under a hit nothing becomes releasable", () => {
  test("by a transfer that turns out to have failed", () => {
    const left = seen(underHit(), sent("TRANSFER"), transferIs("failed"));
    expect(left.payment.funds).toEqual(allBlocked);
    expect(left.blocked).toEqual({ pending: 0n, held: 10_000n, fees: 320n, suspense: 0n });
  });

  test("by a transfer whose call is refused", () => {
    const asked = sent("TRANSFER", { state: "SENT", objectId: undefined });
    const outcome = { kind: "refused", code: "PROVIDER_REFUSED", detail: "" } as const;
    const given = { now, deposits: new Set<string>() };
    const answer = { way: "call", outcome, durationMs: 1 } as const;
    const left = after(underHit(), asked, conclude(underHit(), asked, answer, given));
    expect(left.payment.funds).toEqual(allBlocked);
  });

  test("by a netted transfer, and its debt is owed again", () => {
    const asked = sent("TRANSFER", { netted: 1_000n, net: 2_980n });
    const payment = underHit({ reserved: 3_000n, released: 1_000n });
    const effects = whileLocked(
      payment,
      observe(payment, transferIs("failed"), { now, deposits: new Set(), operation: asked }),
      around(asked),
    );
    expect(evolveAll(payment, effects).funds).toEqual(allBlocked);
    expect(effects).toContainEqual({ case: "netted", partyId: "bob", amount: -1_000n });
  });

  test("by a refund that fails, or that came back after it had succeeded", () => {
    const payment = underHit({ fees: 0n, reserved: 4_128n });
    expect(seen(payment, sent("REFUND"), refundIs("failed")).payment.funds).toEqual(allBlocked);
    const gone = underHit({ fees: 0n, reserved: 0n, refunded: 4_128n });
    const returned = seen(gone, sent("REFUND", { state: "SUCCEEDED" }), refundIs("failed"));
    expect(returned.payment.funds).toEqual(allBlocked);
  });

  test("and a transfer that succeeds leaves its fee the platform's, the rest blocked as it was", () => {
    const left = seen(underHit(), sent("TRANSFER"), transferIs("succeeded"));
    expect(left.payment.funds).toEqual({
      ...noFunds,
      funded: 10_320n,
      blocked: 6_192n,
      released: 3_980n,
      fees: 148n,
    });
    expect(left.blocked).toBeUndefined();
  });

  test("and a deposit that comes meanwhile waits for a screening of its own", () => {
    const deposit = { depositId: "dep_2", amount: 500n, currency: "USDC", source: "0x3" };
    const left = seen(underHit(), sent("TRANSFER"), {
      kind: "payment",
      objectId: "addr_1",
      operationId: "",
      status: "succeeded",
      deposits: [deposit],
      fee: undefined,
      lastError: undefined,
      instructions: {},
    });
    expect(left.payment).toMatchObject({ inReview: true, funds: { pending: 500n, held: 0n } });
  });
});

describe("C2, story 13: what is taken while it is blocked is gone when the hit is lifted", () => {
  function takenFrom(amount: bigint): Left {
    const payment = underHit({ reserved: 0n, blocked: 10_320n, fees: 0n });
    const blocked = { pending: 0n, held: 10_000n, fees: 320n, suspense: 0n };
    const lost = {
      kind: "dispute",
      objectId: "dep_1",
      paymentRef: "addr_1",
      status: "lost",
      amount,
      currency: "USDC",
      reason: "chain_reorganised",
      movements: [{ movementId: "m1", direction: "taken", amount, fee: 0n }],
      evidenceDueBy: undefined,
    } as const;
    const operations = new Map<string, Operation>();
    const seenBy = { now, disputes: new Map(), operations, owed: 0n, sellerAccount: "" };
    const effects = whileBlocked(payment, [{ ...hit, blocked }], (free) =>
      disputeSeen(free, lost, { ...seenBy, writtenOff: 0n }),
    );
    const hits = effects.flatMap((one) => (one.case === "screened" ? [one.screening] : []));
    return { payment: evolveAll(payment, effects), blocked: hits.at(-1)?.blocked };
  }

  test("all of it: nothing is left to be paid out, and the hit stands", () => {
    const { payment, blocked } = takenFrom(10_320n);
    expect(payment.funds).toEqual({ ...noFunds, funded: 10_320n, chargedBack: 10_320n });
    expect(blocked).toEqual({ pending: 0n, held: 0n, fees: 0n, suspense: 0n });
    expect(payment.sanctioned).toBe(true);
  });

  test("a part: the rest stays blocked, the fee's part with it", () => {
    const { payment, blocked } = takenFrom(4_000n);
    expect(payment.funds).toEqual({
      ...noFunds,
      funded: 10_320n,
      chargedBack: 4_000n,
      blocked: 6_320n,
    });
    expect(blocked).toEqual({ pending: 0n, held: 6_124n, fees: 196n, suspense: 0n });
  });
});
