/** What a provider says of an attempt that is over. */
import { describe, expect, test } from "bun:test";
import { freshPayment } from "../../../../test/support/payment.ts";
import type { ProviderObject, ProviderRefund } from "../provider.ts";
import { openCase } from "./bank-case.ts";
import { assertReplaced } from "./contradiction.ts";
import { observe } from "./observe.ts";
import { newOperation, type Operation } from "./payment.ts";
import { withdrawUnsent } from "./withdraw.ts";
import { backWithdrawn } from "./wrong-asset.ts";

const now = new Date("2026-11-22T00:00:00Z");
const opened = freshPayment({ provider: "stripe", currency: "USD", buyerFee: 0n, sellerFee: 0n });
const funds = { ...opened.funds, funded: 10_000n, reserved: 10_000n };
const payment = { ...opened, status: "SUCCEEDED", frozen: true, funds } as const;

const amounts = { gross: 10_000n, fee: 0n, netted: 0n, net: 10_000n };
const failed: Operation = {
  ...newOperation({ operationId: "op_1", kind: "REFUND", ...amounts }, now),
  state: "FAILED",
  tries: 1,
  objectId: "re_1",
  dueAt: undefined,
  code: "declined",
};

const refund = (status: ProviderRefund["status"]): ProviderRefund => {
  return { kind: "refund", objectId: "re_1", operationId: "op_1", status, code: "" };
};
const seen = (operation: Operation) => ({ now, deposits: new Set<string>(), operation });

describe("a refund that failed", () => {
  test("and is said to have succeeded contradicts itself", () => {
    const again = () => observe(payment, refund("succeeded"), seen(failed));
    expect(again).toThrow("re_1 is succeeded after it had failed");
  });

  test.each(["pending", "succeeded"] as const)(
    "and was withdrawn by a bank's lock contradicts itself too when it is %s: the seller's money is held again",
    (status) => {
      const operations = new Map([["op_1", failed]]);
      const around = { now, disputes: new Map(), operations, owed: 0n, sellerAccount: "" };
      const bankCase = openCase(payment, around);
      withdrawUnsent(bankCase);
      const [withdrawn = failed] = bankCase.operations();
      expect(withdrawn).toMatchObject({ state: "WITHDRAWN", objectId: "re_1" });
      expect(bankCase.payment().funds).toMatchObject({ held: 10_000n, reserved: 0n });
      const say = (says: ProviderRefund) => observe(bankCase.payment(), says, seen(withdrawn));
      expect(() => say(refund(status))).toThrow(`re_1 is ${status} after it had failed`);
      expect(say(refund("failed"))).toEqual([]);
    },
  );

  test("and whose deposit is gone contradicts itself too", () => {
    const effect = backWithdrawn({ ...failed, depositId: "dep_1", asset: "USDBC" });
    if (effect.case !== "moved") throw new Error("it was not moved");
    const again = () => observe(payment, refund("succeeded"), seen(effect.operation));
    expect(again).toThrow("re_1 is succeeded after it had failed");
  });
});

describe("an attempt that a later one replaced", () => {
  const made = { objectId: "obj_1", operationId: "op_1", fee: undefined };
  const objects: readonly ProviderObject[] = [
    { ...made, kind: "refund", status: "succeeded", code: "" },
    { ...made, kind: "refund", status: "pending", code: "" },
    { ...made, kind: "transfer", status: "succeeded" },
    { ...made, kind: "reversal", status: "succeeded", amount: 1n },
  ];

  test.each(objects)("is a contradiction as a $kind that is $status", (object) => {
    expect(() => assertReplaced(object)).toThrow("though a later attempt took its place");
  });

  test("may say again that it failed", () => {
    expect(() => assertReplaced(refund("failed"))).not.toThrow();
  });
});
