import { describe, expect, test } from "bun:test";
import { createBankStory, now } from "../../../../test/support/bank-story.ts";
import type { Outcome, ProviderObject } from "../provider.ts";
import { afterRetry, afterUnknown, lookupGapMs, sent } from "./calls.ts";
import { conclude, mayBeCalled } from "./conclude.ts";
import { newOperation, type Operation, type OperationKind } from "./payment.ts";
import { lookOnly } from "./withdraw.ts";

const amounts = { gross: 10_000n, fee: 50n, netted: 0n, net: 9_950n };
const lost = { kind: "unknown", replayed: false, detail: "" } as const;
const no = { kind: "refused", code: "PROVIDER_REFUSED", detail: "" } as const;

function fresh(kind: OperationKind): Operation {
  return newOperation({ operationId: "op", kind, ...amounts }, now);
}

function reservedSale() {
  const sale = createBankStory();
  sale.pay();
  sale.release("op");
  return sale.payment();
}

function after(
  operation: Operation,
  way: "call" | "lookup",
  outcome: Outcome<ProviderObject | undefined>,
) {
  const seen = { now, deposits: new Set<string>() };
  const effects = conclude(reservedSale(), operation, { way, outcome, durationMs: 1 }, seen);
  const last = effects.findLast((effect) => effect.case === "moved");
  if (last === undefined) throw new Error("nothing moved");
  return { operation: last.operation, cases: effects.map((effect) => effect.case) };
}

describe("a no", () => {
  const ends = [
    ["TRANSFER", "REJECTED"],
    ["REFUND", "FAILED"],
    ["RETRANSFER", "FAILED"],
    ["CREATE_PAYMENT", "REJECTED"],
  ] as const;
  test.each(ends)("to the first try of a %s ends it: %s", (kind, state) => {
    expect(after(sent(fresh(kind), now), "call", no).operation.state).toBe(state);
  });

  test.each(ends)(
    "to the repeat of a lost %s is no proof: the list is asked, twice apart",
    (kind) => {
      const unknown = after(sent(fresh(kind), now), "call", lost).operation;
      const { operation, cases } = after(sent(unknown, now), "call", no);
      expect(operation).toMatchObject({ state: "LOOKUP", attempt: 1, lookups: 0, dueAt: now });
      expect(cases).toEqual(["moved"]);
      const absent = { kind: "succeeded", value: undefined } as const;
      const once = after(sent(operation, now), "lookup", absent).operation;
      expect(once).toMatchObject({ state: "LOOKUP", attempt: 1, lookups: 1 });
      expect(once.dueAt).toEqual(new Date(now.getTime() + lookupGapMs));
      const again = after(sent(once, now), "lookup", absent).operation;
      expect(again).toMatchObject({ state: "READY", attempt: 2, tries: 0 });
      // Under the new key nothing was sent before: now a no is a no.
      expect(["REJECTED", "FAILED"]).toContain(after(sent(again, now), "call", no).operation.state);
    },
  );

  test("is no proof either when the try between them met a closed door", () => {
    const unknown = afterUnknown(sent(fresh("TRANSFER"), now), now, false);
    const waiting = after(sent(unknown, now), "call", { kind: "retry", afterMs: 1 }).operation;
    expect(waiting).toMatchObject({ state: "READY", tries: 2 });
    expect(after(sent(waiting, now), "call", no).operation.state).toBe("LOOKUP");
  });
});

describe("a lock that meets a call that is to be repeated", () => {
  const locked = { ...reservedSale(), frozen: true };
  test("never sent what met a closed door: it waits", () => {
    const waiting = afterRetry(sent(fresh("TRANSFER"), now), now, 1);
    expect(mayBeCalled(locked, lookOnly(locked, waiting))).toBe(false);
    expect(mayBeCalled(reservedSale(), waiting)).toBe(true);
  });

  test("perhaps sent it before: it is looked up, not called", () => {
    const unknown = afterUnknown(sent(fresh("TRANSFER"), now), now, false);
    const waiting = afterRetry(sent(unknown, now), now, 1);
    expect(lookOnly(locked, waiting).state).toBe("LOOKUP");
    expect(lookOnly(reservedSale(), waiting)).toBe(waiting);
  });
});
