/**
 * Webhooks as Stripe sends them: signed over the exact bytes, over HTTP, again until they are taken.
 * On request they come twice, late, in another order, or never.
 */
import { createHmac } from "node:crypto";
import type { StripeEvent } from "./objects.ts";

export interface Endpoint {
  readonly url: string;
  readonly secret: string;
}

export interface WebhookTargets {
  /** For the platform's own events. */
  readonly platform?: Endpoint;
  /** For those of connected accounts. */
  readonly connect?: Endpoint;
}

export interface Disturbance {
  /** Which events; all without. */
  readonly types?: readonly string[];
  readonly drop?: boolean;
  readonly duplicate?: boolean;
  readonly delayMs?: number;
  /** Not before the next event was sent. */
  readonly reorder?: boolean;
  /** How many events; all that follow without. */
  readonly times?: number;
}

export interface Deliveries {
  targets: WebhookTargets;
  queue(event: StripeEvent): void;
  disturb(how: Disturbance): void;
  calm(): void;
  /** Sends what is due; true: something was sent. */
  step(): Promise<boolean>;
  /** How many wait. */
  waiting(): number;
}

interface Waiting {
  readonly event: StripeEvent;
  readonly dueMs: number;
  readonly tries: number;
}

const giveUpAfter = 12;
const answerMs = 10_000;

export function signatureOf(body: string, secret: string, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1_000);
  const mac = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${mac}`;
}

export function createDeliveries(now: () => Date): Deliveries {
  let waiting: Waiting[] = [];
  let heldBack: Waiting[] = [];
  let disturbances: { readonly how: Disturbance; left: number }[] = [];
  const deliveries: Deliveries = {
    targets: {},
    queue: (event) => {
      const how = disturbanceOf(event.type);
      if (how.drop) return;
      const entry = { event, dueMs: now().getTime() + (how.delayMs ?? 0), tries: 0 };
      const entries = how.duplicate ? [entry, entry] : [entry];
      if (how.reorder) {
        heldBack.push(...entries);
        return;
      }
      waiting.push(...entries, ...heldBack);
      heldBack = [];
    },
    disturb: (how) => {
      disturbances.push({ how, left: how.times ?? Number.POSITIVE_INFINITY });
    },
    calm: () => {
      disturbances = [];
      waiting.push(...heldBack);
      heldBack = [];
    },
    step: async () => {
      const due = waiting.find(({ dueMs }) => dueMs <= now().getTime());
      if (due === undefined) return false;
      waiting = waiting.filter((entry) => entry !== due);
      if (await send(due.event)) return true;
      const tries = due.tries + 1;
      const dueMs = now().getTime() + 1_000 * 2 ** tries;
      if (tries < giveUpAfter) waiting.push({ event: due.event, tries, dueMs });
      return true;
    },
    waiting: () => waiting.length + heldBack.length,
  };

  function disturbanceOf(type: string): Disturbance {
    const met = disturbances.find(({ how }) => how.types?.includes(type) ?? true);
    if (met === undefined) return {};
    met.left -= 1;
    disturbances = disturbances.filter(({ left }) => left > 0);
    return met.how;
  }

  /** True: taken, or nobody wants it. */
  async function send(event: StripeEvent): Promise<boolean> {
    const { platform, connect } = deliveries.targets;
    const target = event.account === undefined ? platform : connect;
    if (target === undefined) return true;
    const body = JSON.stringify(event);
    const headers = {
      "Content-Type": "application/json",
      "Stripe-Signature": signatureOf(body, target.secret, now()),
    };
    const signal = AbortSignal.timeout(answerMs);
    return fetch(target.url, { method: "POST", body, headers, signal }).then(
      ({ ok }) => ok,
      () => false,
    );
  }
  return deliveries;
}
