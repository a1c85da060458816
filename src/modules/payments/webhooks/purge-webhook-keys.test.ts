import { expect, setDefaultTimeout, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import { createKeyring } from "#platform/sealing/keyring";
import { openPaymentsDatabase } from "../../../../test/support/payments.ts";
import { createWebhookKeyPurge, webhookSubject } from "./purge-webhook-keys.ts";

setDefaultTimeout(60_000);

test("pitfall 42: what a webhook told opens for thirty days, and never after", async () => {
  const db = await openPaymentsDatabase();
  const clock = createManualClock();
  const keyring = createKeyring({ db, dataKey: new Uint8Array(32).fill(7), clock });
  const purge = createWebhookKeyPurge({ keyring, clock });
  const webhook = await keyring.seal(webhookSubject(clock.wall()), "what the provider told");
  const person = await keyring.seal("webhooks", "what a person wrote");
  for (const [days, text] of [
    [29, "what the provider told"],
    [1, "what the provider told"],
    [1, undefined],
  ] as const) {
    await clock.advance(days * 86_400_000);
    await purge.step();
    expect(await keyring.open(webhook)).toBe(text as string);
  }
  expect(await keyring.open(person)).toBe("what a person wrote");
  const today = await keyring.seal(webhookSubject(clock.wall()), "today");
  expect(await keyring.open(today)).toBe("today");
  await db.close();
});
