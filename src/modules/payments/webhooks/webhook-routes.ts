/**
 * POST /v1/webhooks/:provider. Verified on the raw bytes, sealed, kept by the log, and only then
 * acknowledged: a webhook we said 200 to is never lost, one we could not keep comes again.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Hono } from "hono";
import { z } from "zod";
import { WebhookReceivedSchema } from "#gen/payments/v1/webhooks_pb";
import type { Clock } from "#platform/clock";
import { TransientError } from "#platform/errors";
import { readBytes } from "#platform/http/body";
import { webhookLimits } from "#platform/http/json";
import { documented } from "#platform/http/openapi/documented";
import { notFound, unavailable } from "#platform/http/problem";
import type { Publisher } from "#platform/messaging/publishing/publisher";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import type { Logger } from "#platform/telemetry/logger";
import type { Metrics } from "#platform/telemetry/metrics";
import { topics } from "#topics";
import type { Providers, RefusedWebhook, VerifiedWebhook } from "../provider.ts";
import { isKeepable } from "./keepable.ts";
import { webhookSubject } from "./purge-webhook-keys.ts";
import { refusal } from "./webhook-refusals.ts";

const received = () => z.object({ received: z.literal(true), ignored: z.string().optional() });

export interface WebhookRouteOptions {
  readonly providers: Providers;
  readonly publisher: Publisher;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** Providers wait some seconds for the answer. */
const deadlineMs = 5_000;
/** A longer body is not kept: the webhook is a signal, what counts is read from the provider. */
const keptBytes = 32_000;

const noEvent: RefusedWebhook = { refused: "not_an_event" };

export function createWebhookRoutes(options: WebhookRouteOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  const count = options.metrics?.counter(
    "webhooks_total",
    "Webhooks by what became of them: kept, ignored, or why they were refused",
    ["provider", "result"],
  );
  app.post(
    "/v1/webhooks/:provider",
    documented({
      summary: "What a provider tells; signed, and kept before it is answered.",
      open: true,
      query: "any",
      answers: { 200: received },
    }),
    async (c) => {
      const provider = options.providers.get(c.req.param("provider"));
      if (provider === undefined) throw notFound();
      const bytes = await readBytes(c.req.raw, webhookLimits.maxBytes);
      const verified = await provider.verifyWebhook(bytes, c.req.raw.headers);
      const webhook = "refused" in verified || isKeepable(verified) ? verified : noEvent;
      const { name, live } = provider.describe();
      const { correlationId, traceparent } = c.var;
      if ("refused" in webhook) {
        const { refused } = webhook;
        count?.({ provider: name, result: refused });
        // Of what nobody signed anybody can send as much as he likes: it is counted only.
        if (refused !== "signature") {
          options.logger.warn({ provider: name, refused, correlationId }, "a webhook was refused");
        }
        throw refusal(refused);
      }
      // An endpoint for connected accounts is told of test money too: it is taken, and nothing is done.
      if (webhook.livemode !== live) {
        count?.({ provider: name, result: "livemode" });
        return c.json({ received: true, ignored: "livemode" });
      }
      await keep({ name, webhook, bytes, correlationId, traceparent }, options);
      count?.({ provider: name, result: "kept" });
      return c.json({ received: true });
    },
  );
  return app;
}

interface Arrival {
  readonly name: string;
  readonly webhook: VerifiedWebhook;
  readonly bytes: Uint8Array;
  readonly correlationId: string;
  readonly traceparent: string;
}

async function keep(arrival: Arrival, options: WebhookRouteOptions): Promise<void> {
  const { publisher, keyring, clock } = options;
  const { name, webhook, bytes, correlationId, traceparent } = arrival;
  const now = clock.wall();
  // One key a day, destroyed after 30: the bodies hold what providers know of people.
  const subject = webhookSubject(now);
  try {
    const text = bytes.length <= keptBytes ? Buffer.from(bytes).toString("utf8") : "";
    const sealedBody = await keyring.seal(subject, text);
    const message = create(WebhookReceivedSchema, {
      provider: name,
      eventId: webhook.eventId,
      type: webhook.type,
      objectId: webhook.objectId,
      receivedAt: timestampFromDate(now),
      createdAt: timestampFromDate(webhook.createdAt),
      correlationId,
      livemode: webhook.livemode,
      account: webhook.account,
      sealedBody,
    });
    const causationId = `${name}:${webhook.eventId}`;
    const topic = topics.webhookEvents;
    const outgoing = { topic, message, correlationId, causationId, traceparent };
    await publisher.publish(outgoing, deadlineMs);
  } catch (error) {
    if (error instanceof TransientError) throw unavailable({ cause: error });
    throw error;
  }
}
