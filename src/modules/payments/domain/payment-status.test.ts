/** The status after money went back: only what was complete, or is over, ends with it. */

import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { CancelPaymentSchema, CommandSchema } from "#gen/payments/v1/commands_pb";
import { freshPayment } from "../../../../test/support/payment.ts";
import { type Context, decide } from "./decide.ts";
import { noFunds } from "./funds.ts";
import type { Payment } from "./payment.ts";
import {
  received,
  statusAfterRefund,
  statusAfterRefundFailed,
  statusWhenCancelled,
} from "./payment-status.ts";

const now = new Date("2030-01-01T00:00:00Z");

const opened: Payment = {
  ...freshPayment(),
  providerRef: "dpa_1",
};

function having(status: Payment["status"], funds: Partial<Payment["funds"]>): Payment {
  return { ...opened, status, funds: { ...noFunds, ...funds } };
}

const back = { funded: 4_000n, refunded: 4_000n };

test("M4: a deal that is called off after a short part was given back takes no more money", () => {
  const body = { case: "cancelPayment", value: create(CancelPaymentSchema) } as const;
  const context: Context = {
    now,
    known: true,
    operations: new Map(),
    gone: new Map(),
    contradicted: new Set(),
    isTaken: () => false,
    sellerReady: true,
    sellerAccount: "",
    debt: 0n,
    nettable: (net) => net,
    providerKnown: true,
    providerStopped: false,
  };
  const given = statusAfterRefund(having("UNDERFUNDED", back));
  const command = create(CommandSchema, { escrowId: "esc_1", body });
  const { effects = [] } = decide(having(given, back), command, context);
  expect(effects).toMatchObject([
    { case: "set", fields: { cancelled: true, status: "REFUNDED" } },
    { case: "opened", operation: { kind: "CANCEL_PAYMENT" } },
  ]);
});

test("M4: all of a short part is back, so all is asked for; of a complete payment, so it is refunded", () => {
  expect(statusAfterRefund(having("UNDERFUNDED", back))).toBe("REQUIRES_PAYMENT");
  expect(statusAfterRefund(having("SUCCEEDED", back))).toBe("REFUNDED");
  expect(statusAfterRefund({ ...having("LATE", back), cancelled: true })).toBe("REFUNDED");
});

test("M4: what is on its way, of another asset, or was ended by its provider stays so", () => {
  for (const status of ["PROCESSING", "WRONG_ASSET", "FAILED"] as const) {
    expect(statusAfterRefund(having(status, back))).toBe(status);
    expect(statusAfterRefundFailed(having(status, { ...back, refunded: 0n }))).toBe(status);
  }
});

test("M4: part of what came is back: the rest is still here, also under a block", () => {
  const rest = { funded: 6_000n, refunded: 4_000n };
  for (const part of ["pending", "blocked", "reserved"] as const) {
    const payment = having("UNDERFUNDED", { ...rest, [part]: 2_000n });
    expect(statusAfterRefund(payment)).toBe("UNDERFUNDED");
    // What is on its way back has to be paid again.
    expect(received(payment)).toBe(part === "reserved" ? 0n : 2_000n);
  }
});

test("M4: a refund that failed after all leaves what it was: short, late or complete", () => {
  const owed = { funded: 4_000n, reserved: 4_000n };
  expect(statusAfterRefundFailed(having("REQUIRES_PAYMENT", owed))).toBe("UNDERFUNDED");
  expect(statusAfterRefundFailed(having("REFUNDED", owed))).toBe("SUCCEEDED");
  const late = { ...having("REFUNDED", owed), cancelled: true };
  expect(statusAfterRefundFailed(late)).toBe("LATE");
});

test("M4: what is called off is late only while something of it is here", () => {
  const part = (funds: Partial<Payment["funds"]>) =>
    statusWhenCancelled(having("UNDERFUNDED", { funded: 4_000n, ...funds }));
  expect(part({ pending: 4_000n })).toBe("LATE");
  expect(part({ chargedBack: 4_000n })).toBe("CANCELLED");
  expect(part({ chargedBack: 1_000n, refunded: 3_000n })).toBe("REFUNDED");
  expect(statusWhenCancelled(opened)).toBe("CANCELLED");
});
