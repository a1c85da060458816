/** A provider that hangs, or one call of it, keeps nobody else waiting. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import {
  createPaymentsWorld,
  openPayment,
  openPaymentsDatabase,
  type PaymentsWorld,
} from "../../../../test/support/payments.ts";
import { createDeals, type Deals } from "../../../../test/support/payments-deals.ts";
import type { Outcome, PaymentProvider, ProviderPayment } from "../provider.ts";
import { createSandboxProvider } from "../providers/sandbox/provider.ts";

setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;
let called: string[];
let answers: (() => void)[];

beforeEach(async () => {
  db = await openPaymentsDatabase();
  called = [];
  answers = [];
  world = createPaymentsWorld(db, { providers: [hanging()] });
  deals = createDeals(world, db);
});
afterEach(async () => {
  for (const answer of answers) answer();
  await world.worker("payments.operations.slow").stop?.();
  await db.close();
});

/** The sandbox under another name, whose payments for esc_hangs have no answer until told. */
function hanging(): PaymentProvider {
  const clock = createManualClock();
  const real = createSandboxProvider({ db, clock, webhookSecrets: ["whsec_slow"] });
  return {
    ...real,
    describe: () => ({ ...real.describe(), name: "slow" }),
    createPayment: async (call) => {
      called.push(call.request.escrowId);
      if (call.request.escrowId === "esc_hangs") {
        await new Promise<void>((resolve) => {
          answers.push(resolve);
        });
      }
      return real.createPayment(call) as Promise<Outcome<ProviderPayment>>;
    },
  };
}

async function stateOf(escrowId: string): Promise<string | undefined> {
  const [row] = await db.sql<{ state: string }>`
    SELECT state FROM payments.operation WHERE escrow_id = ${escrowId}`;
  return row?.state;
}

test("P5: a provider that hangs does not slow the other one", async () => {
  await world.handle(openPayment("esc_hangs", { provider: "slow" }));
  const step = world.worker("payments.operations.slow").step();
  while (called.length === 0) await Bun.sleep(1);
  expect(await deals.open()).toBe("esc_1");
  expect(await stateOf("esc_1")).toBe("SUCCEEDED");
  expect(await stateOf("esc_hangs")).toBe("SENT");
  for (const answer of answers) answer();
  await step;
  expect(await stateOf("esc_hangs")).toBe("SUCCEEDED");
});

test("P5: a call that hangs holds back its own escrow, and the others go on beside it", async () => {
  const worker = world.worker("payments.operations.slow");
  await world.handle(openPayment("esc_hangs", { provider: "slow" }));
  const step = worker.step();
  while (called.length === 0) await Bun.sleep(1);
  await world.clock.advance(200);
  expect(await step).toBe("worked");
  await world.handle(openPayment("esc_quick", { provider: "slow" }));
  expect(await worker.step()).toBe("worked");
  expect(await stateOf("esc_quick")).toBe("SUCCEEDED");
  // The one under way is not called a second time.
  expect(await worker.step()).toBe("idle");
  expect(called).toEqual(["esc_hangs", "esc_quick"]);
});
