/** What is said of a deposit of another asset that is gone again. */
import { describe, expect, test } from "bun:test";
import { freshPayment } from "../../../../test/support/payment.ts";
import type { ProviderDispute, UndoneDeposit } from "../provider.ts";
import { conclude, mayBeCalled } from "./conclude.ts";
import { newOperation, type Operation, type Payment } from "./payment.ts";
import { depositTaken, depositUndoneSeen } from "./undone-deposit.ts";
import { lookOnly } from "./withdraw.ts";

const payment = freshPayment({ amount: 1_000n, buyerFee: 0n, sellerFee: 0n });

const deposit = { depositId: "dep_1", amount: 700n, currency: "USDBC" };
const gone: UndoneDeposit = {
  kind: "deposit_undone",
  objectId: "rev_1",
  paymentRef: "dpa_1",
  ...deposit,
};

const now = new Date("2026-11-21T12:00:00Z");

function seenWith(back?: Operation, disposition = "WRONG_ASSET") {
  const operations = new Map(back === undefined ? [] : [[back.operationId, back]]);
  return depositUndoneSeen(payment, gone, {
    deposit: { ...deposit, disposition },
    operations,
    now,
  });
}

test("the event names the other asset, whose units the amount is in", () => {
  const { effects } = seenWith();
  const said = effects.flatMap((effect) => (effect.case === "said" ? [effect.body] : []));
  expect(said).toMatchObject([
    {
      case: "foreignMovementSeen",
      value: { kind: "deposit_undone", amount: 700n, currency: "USDBC" },
    },
  ]);
});

describe("a way back that may have been sent", () => {
  const amounts = { gross: 700n, fee: 0n, netted: 0n, net: 700n };
  const known = {
    operationId: "sus_1",
    kind: "REFUND",
    depositId: "dep_1",
    asset: "USDBC",
  } as const;
  const back = newOperation({ ...known, ...amounts }, now);

  test.each(["READY", "UNKNOWN"] as const)("%s: is looked up, and nothing is booked", (state) => {
    const { effects, waits } = seenWith({ ...back, state, tries: 2 });
    expect(waits).toBe(true);
    expect(effects).toMatchObject([
      { case: "undone", gone: "REVERTED" },
      { case: "moved", operation: { state: "LOOKUP", dueAt: now } },
    ]);
  });

  test.each(["SENT", "PENDING", "LOOKUP", "PERSON"] as const)("%s: is waited for", (state) => {
    expect(seenWith({ ...back, state, tries: 1 }).effects).toMatchObject([{ case: "undone" }]);
    expect(seenWith({ ...back, state, tries: 1 }, "REVERTED").effects).toEqual([]);
  });

  test("is not called again, whatever its state", () => {
    const sent = { ...back, state: "SENT", tries: 1 } as const;
    expect(mayBeCalled(payment, back)).toBe(true);
    expect(mayBeCalled(payment, back, "REVERTED")).toBe(false);
    expect(lookOnly(payment, sent).state).toBe("SENT");
    expect(lookOnly(payment, sent, "REVERTED").state).toBe("LOOKUP");
  });

  test("is withdrawn when the list proves that it was not sent", () => {
    const looked: Operation = { ...back, state: "LOOKUP", tries: 2, lookups: 1 };
    const absent = { kind: "succeeded", value: undefined } as const;
    const answer = { way: "lookup", outcome: absent, durationMs: 1 } as const;
    const after = (lost?: "REVERTED") =>
      conclude(payment, looked, answer, { now, deposits: new Set(), gone: lost }).at(-1);
    expect(after()).toMatchObject({ operation: { state: "READY", attempt: 2 } });
    expect(after("REVERTED")).toMatchObject({ operation: { state: "WITHDRAWN" } });
  });
});

describe("a deposit of the payment's own asset that was taken", () => {
  const own = { depositId: "dep_2", amount: 700n, currency: "USDC", disposition: "SHORT" };
  const lost: ProviderDispute = {
    kind: "dispute",
    objectId: "rev_2",
    paymentRef: "dpa_1",
    status: "lost",
    amount: 700n,
    currency: "USDC",
    reason: "chain_reorganised",
    movements: [],
    evidenceDueBy: undefined,
    depositId: "dep_2",
  };
  const short: Payment = { ...payment, status: "UNDERFUNDED" };
  const marked = { case: "undone", depositId: "dep_2", gone: "UNDONE" };
  const all = { case: "set", fields: { status: "REQUIRES_PAYMENT" } };

  test("is marked once, and all is asked for again", () => {
    expect(depositTaken(short, lost, [], new Map([["dep_2", own]]))).toMatchObject([marked, all]);
    const before = new Map([["dep_2", { ...own, disposition: "UNDONE" }]]);
    expect(depositTaken(short, lost, [], before)).toEqual([]);
  });

  test("leaves the rest of a short payment short, and another status as it is", () => {
    const rest = { ...short, funds: { ...short.funds, funded: 300n, pending: 300n } };
    expect(depositTaken(rest, lost, [], new Map([["dep_2", own]]))).toMatchObject([marked]);
    const held: Payment = { ...payment, status: "SUCCEEDED" };
    expect(depositTaken(held, lost, [], new Map([["dep_2", own]]))).toMatchObject([marked]);
  });

  test("of which nobody said which it was marks nothing", () => {
    const { depositId: _, ...bank } = lost;
    expect(depositTaken(short, bank, [], new Map([["dep_2", own]]))).toEqual([]);
  });
});
