/** A payment that gets another asset than it asked for. */
import { expect, test } from "bun:test";
import { freshPayment } from "../../../../test/support/payment.ts";
import type { ProviderDeposit, ProviderPayment } from "../provider.ts";
import { evolveAll } from "./evolve.ts";
import { noFunds } from "./funds.ts";
import { observe } from "./observe.ts";
import type { Payment } from "./payment.ts";
import { waitsAgain } from "./wrong-asset.ts";

const opened: Payment = {
  ...freshPayment({ provider: "sandbox", currency: "USD" }),
  providerRef: "sbx_1",
};

/** What is said, and the payment after it. */
function seen(payment: Payment, status: ProviderPayment["status"], deposit: ProviderDeposit) {
  const object: ProviderPayment = {
    kind: "payment",
    objectId: "sbx_1",
    operationId: "op",
    status,
    deposits: [deposit],
    fee: undefined,
    lastError: undefined,
    instructions: {},
  };
  const now = new Date("2030-01-01T00:00:00Z");
  const effects = observe(payment, object, { now, deposits: new Set(), operation: undefined });
  const said = effects.flatMap((effect) => (effect.case === "said" ? [effect.body.case] : []));
  return { said, payment: evolveAll(payment, effects) };
}

const stray = { depositId: "dep_1", amount: 700n, currency: "EUR" };

const pending = { funded: 4_000n, pending: 4_000n };
const held = { funded: 10_320n, held: 10_000n, fees: 320n };
const over = { funded: 4_000n, refunded: 4_000n };

test.each([
  ["short", "UNDERFUNDED", { funds: { ...noFunds, ...pending } }],
  ["paid", "SUCCEEDED", { funds: { ...noFunds, ...held } }],
  ["called off", "CANCELLED", { cancelled: true }],
  ["given back", "REFUNDED", { cancelled: true, funds: { ...noFunds, ...over } }],
] as const)("M4: what is %s stays so when somebody sends another asset", (_, status, change) => {
  const after = seen({ ...opened, ...change, status }, "requires_payment", stray);
  expect(after.payment.status).toBe(status);
  expect(after.said).toEqual(["depositReceived"]);
});

test("M4: what its provider ended asks for nothing again when another asset went back", () => {
  const ended: Payment = { ...opened, status: "FAILED" };
  const { payment } = seen(ended, "cancelled", stray);
  expect(payment.status).toBe("FAILED");
  expect(waitsAgain(payment)).toEqual([]);
});

test("M4: what got nothing else says so, and waits again once it went back", () => {
  const { payment } = seen(opened, "requires_payment", stray);
  expect(payment.status).toBe("WRONG_ASSET");
  expect(waitsAgain(payment)).toEqual([{ case: "set", fields: { status: "REQUIRES_PAYMENT" } }]);
});
