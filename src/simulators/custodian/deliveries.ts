/**
 * The simulated custodian's webhooks: signed over the exact bytes, over HTTP, again until they are
 * taken. On request they come twice, in the wrong order, or never.
 */
import type { CustodianEvent } from "./objects.ts";
import { signWebhook } from "./signatures.ts";

export interface Webhooks {
  readonly url: string;
  readonly secrets: readonly string[];
}

export type Disturbance = "drop" | "duplicate" | "reverse";

const answerMs = 10_000;

export function createDeliveries(now: () => Date) {
  let waiting: CustodianEvent[] = [];
  let disturbance: Disturbance | undefined;
  let target: Webhooks | undefined;

  async function send(event: CustodianEvent, { url, secrets }: Webhooks): Promise<boolean> {
    const body = JSON.stringify(event);
    const headers = { "Content-Type": "application/json", ...signWebhook(body, secrets, now()) };
    const signal = AbortSignal.timeout(answerMs);
    return fetch(url, { method: "POST", body, headers, signal }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  return {
    queue: (event: CustodianEvent): void => {
      if (disturbance === "drop") return;
      waiting.push(event);
      if (disturbance === "duplicate") waiting.push(event);
    },
    disturb: (how: Disturbance | undefined): void => {
      disturbance = how;
    },
    aim: (webhooks: Webhooks): void => {
      target = webhooks;
    },
    /** Sends all that waits; what was not taken waits on. */
    flush: async (): Promise<void> => {
      const batch = disturbance === "reverse" ? waiting.reverse() : waiting;
      waiting = [];
      for (const event of batch) {
        if (target !== undefined && !(await send(event, target))) waiting.push(event);
      }
    },
    waiting: () => waiting.length,
  };
}
