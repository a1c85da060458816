/**
 * Finds webhooks that never arrived: lists each provider's events since the last sweep, with an
 * overlap, and feeds what has no dedupe row to the same handler through the same topic. Only the
 * list's mark moves on; what was fed twice meets its row.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { WebhookReceivedSchema } from "#gen/payments/v1/webhooks_pb";
import { TransientError } from "#platform/errors";
import type { Outgoing } from "#platform/messaging/handler";
import type { Worker } from "#platform/module";
import { topics } from "#topics";
import type { PaymentProvider, VerifiedWebhook } from "../provider.ts";
import { createProviderTasks, type TaskClaim } from "../reconciliation/provider-tasks.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { isKeepable } from "./keepable.ts";

export interface SweepOptions extends PaymentWorkerDeps {
  readonly everyMs: number;
}

/** Lists lag, and clocks differ. */
const overlapMs = 10 * 60_000;
/** What is younger is most likely on its way. */
const patienceMs = 60_000;
/** The first sweep looks as far back as providers keep their events undelivered for hours. */
const firstMs = 3 * 24 * 3_600_000;

export function createSweep(options: SweepOptions): Worker {
  const { clock, providers, everyMs } = options;
  const tasks = createProviderTasks(options);
  return {
    name: "payments.sweep",
    idleMs: 5_000,
    step: async () => {
      for (const [name, provider] of providers) {
        const claim = await tasks.claim(name, "sweep");
        if (claim === undefined) continue;
        const now = clock.now();
        const until = new Date(now.getTime() - patienceMs);
        const dueAt = new Date(now.getTime() + everyMs);
        try {
          await sweep(provider, startOf(claim, now), until, options);
        } catch (error) {
          await tasks.giveUp(claim, dueAt);
          throw error;
        }
        await tasks.finish(claim, { doneUntil: until, dueAt });
        return "worked";
      }
      return "idle";
    },
  };
}

function startOf({ doneUntil }: TaskClaim, now: Date): Date {
  const back = doneUntil === undefined ? now.getTime() - firstMs : doneUntil.getTime() - overlapMs;
  return new Date(back);
}

async function sweep(
  provider: PaymentProvider,
  from: Date,
  until: Date,
  { db, outbox, clock, logger }: SweepOptions,
): Promise<void> {
  const { name } = provider.describe();
  let cursor: string | undefined;
  let found = 0;
  do {
    const page = await provider.listEvents({ from, until, cursor });
    if (page.kind !== "succeeded") throw new TransientError(`${name} does not list its events`);
    const { next } = page.value;
    // One that cannot be kept must not hide those beside it.
    const items = page.value.items.filter(isKeepable);
    found += await db.withTx(async (tx) => {
      const known = await tx.sql<{ event_id: string }>`
        SELECT event_id FROM payments.webhook WHERE provider = ${name}
          AND event_id = ANY(${items.map(({ eventId }) => eventId)}::text[])`;
      const ids = new Set(known.map(({ event_id }) => event_id));
      const missed = items.filter(({ eventId }) => !ids.has(eventId));
      await outbox.enqueue(
        tx,
        missed.map((event) => sweptWebhook(name, event, clock.wall())),
      );
      return missed.length;
    });
    cursor = next;
  } while (cursor !== undefined);
  if (found === 0) return;
  logger.warn({ provider: name, found }, "webhooks that never arrived were found by the sweep");
  outbox.wake();
}

function sweptWebhook(provider: string, event: VerifiedWebhook, now: Date): Outgoing {
  const { eventId, type, objectId, createdAt, livemode, account } = event;
  const causationId = `${provider}:${eventId}`;
  const correlationId = `sweep:${eventId}`.slice(0, 64);
  const message = create(WebhookReceivedSchema, {
    provider,
    eventId,
    type,
    objectId,
    receivedAt: timestampFromDate(now),
    createdAt: timestampFromDate(createdAt),
    correlationId,
    livemode,
    account,
    swept: true,
  });
  return { topic: topics.webhookEvents, message, correlationId, causationId };
}
