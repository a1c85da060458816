/** What goes to a wallet is screened, whichever operation sends it. */
import { expect, test } from "bun:test";
import { freshPayment } from "../../../../test/support/payment.ts";
import { screeningOf } from "./ask-screening.ts";
import { newOperation, type OperationKind } from "./payment.ts";
import { screeningAnswered } from "./screening-case.ts";

const now = new Date("2030-01-01T00:00:00Z");

const payment = freshPayment();

function operationOf(kind: OperationKind) {
  const amounts = { gross: 100n, fee: 0n, netted: 0n, net: 100n };
  return newOperation({ operationId: "op_1", kind, target: "0xaa", ...amounts }, now);
}

test.each([
  ["TRANSFER", "bob"],
  ["RETRANSFER", "bob"],
  ["REFUND", "alice"],
] as const)(
  "pitfall 35: a %s of USDC asks about %s's wallet before it is sent",
  (kind, partyId) => {
    expect(screeningOf(payment, operationOf(kind), now)).toMatchObject({
      purpose: "PAYOUT",
      operationId: "op_1",
      partyId,
      address: "0xaa",
    });
  },
);

test("a payment in money that has no wallets asks nothing", () => {
  expect(screeningOf({ ...payment, currency: "USD" }, operationOf("RETRANSFER"), now)).toBe(
    undefined,
  );
});

test("C2: a hit on a re-transfer keeps it, and stops nothing that is the escrow's own", () => {
  const operation = { ...operationOf("RETRANSFER"), dueAt: undefined };
  const screening = screeningOf(payment, operation, now);
  if (screening === undefined) throw new Error("not asked");
  const around = {
    now,
    disputes: new Map(),
    operations: new Map([[operation.operationId, operation]]),
    owed: 0n,
    sellerAccount: "0xaa",
  };
  const screenings = new Map([[screening.reviewId, screening]]);
  const given = { around, screenings };
  const hit = { kind: "sanctioned", lifted: false } as const;
  const effects = screeningAnswered(payment, screening, hit, given);
  expect(effects).toMatchObject([{ case: "screened", screening: { state: "BLOCKED" } }]);
  const clear = screeningAnswered(payment, screening, { kind: "clear", score: 0 }, given);
  expect(clear.at(-1)).toMatchObject({ case: "moved", operation: { state: "READY", dueAt: now } });
});
