/** The sandbox provider with its deliveries caught on the way. */
import { expect } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import { silentLogger } from "#platform/telemetry/logger";
import { createBank } from "../../src/modules/payments/providers/sandbox/bank.ts";
import {
  createDisputingBank,
  type DisputingBank,
} from "../../src/modules/payments/providers/sandbox/bank-disputes.ts";
import { createSandboxProvider } from "../../src/modules/payments/providers/sandbox/provider.ts";
import { createSandboxWorker } from "../../src/modules/payments/providers/sandbox/worker.ts";
import { openPaymentsDatabase } from "./payments.ts";
import type { BankHarness, SentWebhook, World } from "./provider-harness.ts";

export async function openSandbox(): Promise<BankHarness> {
  const db = await openPaymentsDatabase();
  const clock = createManualClock();
  const sent: SentWebhook[] = [];
  const webhookSecrets = ["whsec_new", "whsec_old"];
  const post = (async (_: string | URL | Request, init?: RequestInit) => {
    const bytes = new TextEncoder().encode(String(init?.body));
    sent.push({ bytes, headers: new Headers(init?.headers) });
    return new Response("", { status: 200 });
  }) as typeof fetch;
  const worker = createSandboxWorker({
    db,
    clock,
    logger: silentLogger,
    webhookUrl: () => "http://localhost/",
    webhookSecrets,
    post,
    wakeOn: { onWake: () => () => undefined },
  });
  const bank = createBank({ db, clock });
  return {
    provider: createSandboxProvider({ db, clock, webhookSecrets: ["whsec_new"] }),
    clock,
    names: {
      normal: "bob",
      unready: "bob_unready",
      lost: "bob_timeout",
      broken: "bob_broken",
      busy: "bob_busy",
    },
    targetOf: () => "",
    parts: [6_000n, 4_320n],
    onePool: true,
    paidType: "payment.succeeded",
    declined: "card_declined",
    failingRefund: async () => ({
      party: { buyerId: "alice_refundfails" },
      code: "account_closed",
    }),
    pay: async (objectId, amount) => {
      expect(await bank.pay(objectId, "succeed", amount)).toBe("played");
    },
    decline: async (objectId) => {
      expect(await bank.pay(objectId, "decline", undefined)).toBe("played");
    },
    // A sandbox account is ready unless its party's name says otherwise.
    makeReady: async () => undefined,
    world: worldOf(createDisputingBank({ db, clock })),
    goOn: async () => {
      while ((await worker.step()) === "worked") await clock.advance(1);
    },
    webhooks: () => sent.splice(0),
    close: () => db.close(),
  };
}

function worldOf(bank: DisputingBank): World {
  const made = (id: string | undefined): string => {
    if (id === undefined) throw new Error("the sandbox has no such thing");
    return id;
  };
  return {
    dispute: async (objectId, { amount, inquiry = false }) =>
      made(await bank.dispute(objectId, { amount, inquiry, reason: "fraudulent" }, "k-1")),
    escalate: async (disputeId) => {
      expect(await bank.close(disputeId, "escalate")).toBe(true);
    },
    closeDispute: async (disputeId, status) => {
      expect(await bank.close(disputeId, status)).toBe(true);
    },
    warn: async (objectId) => made(await bank.warn(objectId, true)),
    refundElsewhere: async (objectId, amount) => {
      made(await bank.refund(objectId, amount, "k-1"));
    },
    payOut: async ({ sellerId }, outcome) => {
      const played = { amount: undefined, currency: "USD", outcome };
      expect(await bank.payOut(sellerId, played, "k-1")).toHaveProperty("id");
    },
  };
}
