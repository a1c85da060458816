/**
 * Destroys the keys of webhooks' bodies thirty days after their day: what providers told of people is
 * then readable nowhere, in no topic and no copy.
 */
import type { Clock } from "#platform/clock";
import type { Worker } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";

const keptMs = 30 * 86_400_000;
const hourMs = 3_600_000;
/** No party's id has a slash. */
const prefix = "webhooks/";

/** One key a day. */
export function webhookSubject(at: Date): string {
  return `${prefix}${at.toISOString().slice(0, 10)}`;
}

export function createWebhookKeyPurge({
  keyring,
  clock,
}: {
  readonly keyring: Pick<Keyring, "eraseBetween">;
  readonly clock: Pick<Clock, "wall">;
}): Worker {
  return {
    name: "payments.webhook-keys",
    idleMs: hourMs,
    step: async () => {
      const cutoff = new Date(clock.wall().getTime() - keptMs);
      await keyring.eraseBetween(prefix, webhookSubject(cutoff));
      return "idle";
    },
  };
}
