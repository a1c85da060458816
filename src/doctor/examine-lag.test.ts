import { expect, test } from "bun:test";
import type { EventLog, LogRecord } from "#platform/messaging/event-log";
import { examineLag } from "./examine-kafka.ts";

const now = new Date("2026-05-04T12:00:00Z");

/** One message waits for payments.commands, since so many seconds. */
function logWith(seconds: number): Pick<EventLog, "lag" | "read"> {
  const topic = "payments.commands.v1";
  const record: LogRecord = {
    topic,
    partition: 3,
    offset: 7n,
    key: "esc_1",
    value: new Uint8Array(),
    headers: {},
    appendedAt: new Date(now.getTime() - seconds * 1_000),
  };
  return {
    lag: async () => [
      { group: "payments.commands", topic, partition: 3, position: 7n, end: 8n },
      { group: "payments.commands", topic, partition: 4, position: 2n, end: 2n },
    ],
    read: async (_, partition) => (partition === 3 ? [record] : []),
  };
}

test("a message that nobody takes for a minute is told, with the role that should", async () => {
  const [young, old] = await Promise.all(
    [5, 300].map(async (seconds) => {
      const findings = await examineLag({ APP_ROLE: ["payments"] }, logWith(seconds), now);
      return findings.find(({ text }) => text.startsWith("payments.commands "));
    }),
  );
  expect(young).toMatchObject({ verdict: "ok", text: "payments.commands is 1 message behind" });
  expect(old).toMatchObject({
    verdict: "warn",
    text: "payments.commands is 1 message behind, the oldest for 300 s",
    remedy: expect.stringContaining("start a process of the role payments"),
  });
});
