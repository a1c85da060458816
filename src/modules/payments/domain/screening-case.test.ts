/** Hits and their lifting, where an escrow has more than one. */
import { expect, test } from "bun:test";
import { screeningOf } from "./ask-screening.ts";
import { newOperation, newPayment } from "./payment.ts";
import { block, openScreeningCase, unblock } from "./screening-case.ts";

const now = new Date("2030-01-01T00:00:00Z");

const opened = newPayment({
  escrowId: "esc_1",
  paymentId: "pay_1",
  buyerId: "alice",
  sellerId: "bob",
  serviceId: "",
  provider: "custodian",
  currency: "USDC",
  amount: 1_000n,
  buyerFee: 0n,
  sellerFee: 0n,
  chargebackLiability: "SELLER",
  descriptorSuffix: "",
  expiresAt: undefined,
});
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
