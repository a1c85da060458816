/**
 * What the simulated provider does by itself: confirms what is pending, and delivers its webhooks,
 * signed, over real HTTP, again and again until they are taken.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { Outbox } from "#platform/messaging/outbox";
import { createSignal } from "#platform/signal";
import type { Logger } from "#platform/telemetry/logger";
import type { WakeableWorker } from "#platform/workers/worker-loop";
import { type BookObject, changeObject, type Details, received } from "./book.ts";
import { sandboxFee } from "./fees.ts";
import { has } from "./magic.ts";
import { sign, signatureHeader } from "./sign.ts";

export interface SandboxWorkerOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly webhookUrl: () => string;
  readonly webhookSecrets: readonly string[];
  /** How a webhook leaves; fetch in earnest. */
  readonly post?: typeof fetch | undefined;
  /** What commits here may leave something to confirm. */
  readonly wakeOn: Pick<Outbox, "onWake">;
}

export interface SandboxWorker extends WakeableWorker {
  /** There may be something to confirm or deliver. */
  wake(): void;
}

const batch = 32;
const leaseMs = 8_000;
const postTimeoutMs = 5_000;

interface Delivery {
  readonly delivery_no: bigint;
  readonly body: string;
  readonly attempts: number;
}

export function createSandboxWorker(options: SandboxWorkerOptions): SandboxWorker {
  const signal = createSignal();
  return {
    name: "payments.sandbox",
    idleMs: 250,
    lanes: 2,
    onWake: (listener) => {
      const ends = [signal.onNotify(listener), options.wakeOn.onWake(listener)];
      return () => {
        for (const end of ends) end();
      };
    },
    wake: signal.notify,
    step: async () => {
      const due = await whatIsDue(options);
      const confirmed = due.objects ? await goOn(options) : 0;
      const deliveries = due.deliveries || confirmed > 0 ? await claimDeliveries(options) : [];
      await Promise.all(deliveries.map((delivery) => deliver(delivery, options)));
      return confirmed + deliveries.length > 0 ? "worked" : "idle";
    },
  };
}

/** One statement, since mostly there is nothing. */
async function whatIsDue({ db, clock }: SandboxWorkerOptions) {
  const now = clock.now();
  const [due] = await db.sql<{ objects: boolean; deliveries: boolean }>`
    SELECT EXISTS (SELECT FROM sandbox.object WHERE next_at <= ${now}) AS objects,
      EXISTS (SELECT FROM sandbox.delivery WHERE due_at <= ${now}) AS deliveries`;
  return { objects: due?.objects === true, deliveries: due?.deliveries === true };
}

async function goOn({ db, clock }: SandboxWorkerOptions): Promise<number> {
  const now = clock.now();
  return db.withTx(async (tx) => {
    const objects = await tx.sql<BookObject>`
      SELECT * FROM sandbox.object WHERE next_at <= ${now}
      ORDER BY next_at LIMIT ${batch} FOR UPDATE SKIP LOCKED`;
    for (const object of objects) {
      const { change, type } = nextState(object, now);
      await changeObject(tx, object, change, type, now);
    }
    return objects.length;
  });
}

function nextState(
  object: BookObject,
  now: Date,
): { readonly change: Parameters<typeof changeObject>[2]; readonly type: string } {
  const status = object.next_status ?? object.status;
  if (object.kind === "payment") {
    const fee = sandboxFee(received(object), object.currency).toString();
    return { change: { status, details: { ...object.details, fee } }, type: "payment.updated" };
  }
  const failed = status === "failed";
  const details: Details = failed ? { ...object.details, lastError: "account_closed" } : {};
  const returns =
    object.kind === "refund" && status === "succeeded" && has(object.buyer_id, "refundreturns");
  // A bank may send a refund back after it was confirmed.
  const next = { at: new Date(now.getTime() + 1_000), status: "failed" };
  const change = { status, details, ...(returns && { next }) };
  return { change, type: `${object.kind}.${status}` };
}

async function claimDeliveries({ db, clock }: SandboxWorkerOptions): Promise<Delivery[]> {
  const wall = clock.wall();
  return db.sql<Delivery>`
    UPDATE sandbox.delivery d
    SET lease_until = ${new Date(wall.getTime() + leaseMs)}, attempts = d.attempts + 1
    FROM (
      SELECT delivery_no FROM sandbox.delivery
      WHERE due_at <= ${clock.now()} AND (lease_until IS NULL OR lease_until < ${wall})
      ORDER BY due_at, delivery_no LIMIT ${batch} FOR UPDATE SKIP LOCKED
    ) due
    WHERE d.delivery_no = due.delivery_no
    RETURNING d.delivery_no, d.body, d.attempts`;
}

async function deliver(delivery: Delivery, options: SandboxWorkerOptions): Promise<void> {
  const { db, clock, logger } = options;
  const problem = await post(delivery.body, options);
  if (problem === undefined) {
    await db.sql`DELETE FROM sandbox.delivery WHERE delivery_no = ${delivery.delivery_no}`;
    return;
  }
  const waitMs = Math.min(500 * 2 ** delivery.attempts, 3_600_000);
  logger.warn({ problem, attempts: delivery.attempts }, "a webhook was not taken");
  await db.sql`
    UPDATE sandbox.delivery
    SET lease_until = NULL, due_at = ${new Date(clock.now().getTime() + waitMs)}
    WHERE delivery_no = ${delivery.delivery_no}`;
}

async function post(
  body: string,
  { clock, webhookUrl, webhookSecrets, post: send = fetch }: SandboxWorkerOptions,
): Promise<string | undefined> {
  try {
    const response = await send(webhookUrl(), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        [signatureHeader]: sign(body, webhookSecrets, clock.wall()),
      },
      body,
      signal: AbortSignal.timeout(postTimeoutMs),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `status ${response.status}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
