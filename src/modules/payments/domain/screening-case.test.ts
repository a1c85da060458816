/** Hits and their lifting, where an escrow has more than one. */
import { expect, test } from "bun:test";
import { freshPayment } from "../../../../test/support/payment.ts";
import { screeningOf } from "./ask-screening.ts";
import { newOperation } from "./payment.ts";
import { block, openScreeningCase, unblock } from "./screening-case.ts";

const now = new Date("2030-01-01T00:00:00Z");

const opened = freshPayment({ amount: 1_000n, buyerFee: 0n, sellerFee: 0n });
const payment = { ...opened, funds: { ...opened.funds, funded: 1_000n, reserved: 1_000n } };

const operations = (["TRANSFER", "REFUND"] as const).map((kind) => {
  const amounts = { gross: 500n, fee: 0n, netted: 0n, net: 500n };
  return newOperation({ operationId: `op_${kind}`, kind, target: `0x${kind}`, ...amounts }, now);
});
const screenings = operations.map((operation) => {
  const asked = screeningOf(payment, operation, now);
  if (asked === undefined) throw new Error("not asked");
  return asked;
});

function openedCase() {
  return openScreeningCase(payment, {
    around: {
      now,
      disputes: new Map(),
      operations: new Map(operations.map((operation) => [operation.operationId, operation])),
      owed: 0n,
      sellerAccount: "0xTRANSFER",
    },
    screenings: new Map(screenings.map((screening) => [screening.reviewId, screening])),
  });
}

test("pitfall 34: lifting one of two hits leaves the escrow locked, though the first had taken all", () => {
  const [toSeller, toBuyer] = screenings.map(({ reviewId }) => reviewId);
  const both = openedCase();
  const find = (reviewId: string | undefined) => {
    const found = both.screenings().find((one) => one.reviewId === reviewId);
    if (found === undefined) throw new Error("no such screening");
    return found;
  };
  block(both, find(toSeller));
  block(both, find(toBuyer));
  expect(find(toSeller).blocked.held).toBe(1_000n);
  expect(find(toBuyer).blocked.held).toBe(0n);

  unblock(both, find(toSeller));
  expect(both.money.payment()).toMatchObject({ sanctioned: true, funds: { held: 1_000n } });
  unblock(both, find(toBuyer));
  expect(both.money.payment()).toMatchObject({ sanctioned: false, funds: { held: 1_000n } });
});

test("a hit on another asset leaves it in suspense, where a chain that takes it back finds it", () => {
  const [known] = screenings;
  if (known === undefined) throw new Error("not asked");
  const deposit = { purpose: "DEPOSIT", depositId: "dep_1", operationId: "" } as const;
  const asked = { ...known, ...deposit, reviewId: "rev_1", amount: 700n, currency: "USDBC" };
  const kept = openedCase();
  block(kept, asked);
  expect(kept.screenings().at(-1)).toMatchObject({
    reviewId: asked.reviewId,
    state: "BLOCKED",
    blocked: { pending: 0n, held: 0n, fees: 0n, suspense: 0n },
  });
  expect(kept.money.payment().sanctioned).toBe(false);
  expect(kept.money.effects.filter((effect) => effect.case === "posted")).toEqual([]);
});
