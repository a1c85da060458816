import { expect, test } from "bun:test";
import { createManualClock } from "../../clock-manual.ts";
import { TransientError } from "../../errors.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { type LogProducer, RecordRefusedError } from "../event-log.ts";
import { sparingRequests } from "./publish-breaker.ts";

/** A log that fails as told, and counts what reaches it. */
function setUp() {
  const clock = createManualClock();
  const metrics = createMetrics();
  const log = { failure: undefined as Error | undefined, sends: 0 };
  const producer: LogProducer = {
    close: async () => {},
    async send() {
      log.sends += 1;
      if (log.failure !== undefined) throw log.failure;
      return [];
    },
  };
  const guarded = sparingRequests({ log: { createProducer: () => producer }, clock, metrics });
  const sending = guarded.createProducer();
  return {
    clock,
    log,
    send: () =>
      sending.send([]).then(
        () => "sent",
        (error: Error) => error.message,
      ),
    refused: () => sending.send([]).catch((error: unknown) => error),
    async state() {
      return /^kafka_breaker_state (\d)$/m.exec(await metrics.metrics())?.[1];
    },
  };
}

const spared = "the log has been failing: nothing was sent, try again soon";
const [closed, halfOpen, open] = ["0", "1", "2"];

test("seed E2: five failures open it, then nothing is sent; two good sends close it again", async () => {
  const { clock, log, send, refused, state } = setUp();
  log.failure = new TransientError("no broker");
  for (let n = 0; n < 5; n += 1) {
    expect(await state()).toBe(closed);
    expect(await send()).toBe("no broker");
  }
  expect(await state()).toBe(open);
  expect(await send()).toBe(spared);
  expect(log.sends).toBe(5);
  await clock.advance(2_000);
  expect(await refused()).toMatchObject({ name: "NotSentError", retryAfterMs: 3_000 });

  await clock.advance(3_000);
  expect(await state()).toBe(halfOpen);
  expect(await send()).toBe("no broker");
  expect(await state()).toBe(open);
  expect(await send()).toBe(spared);

  await clock.advance(5_000);
  log.failure = undefined;
  expect(await send()).toBe("sent");
  expect(await state()).toBe(halfOpen);
  expect(await send()).toBe("sent");
  expect(await state()).toBe(closed);
  expect(log.sends).toBe(8);
});

test("a record that is refused says nothing about the log", async () => {
  const { log, send, state } = setUp();
  log.failure = new RecordRefusedError("orders", "too large");
  for (let n = 0; n < 9; n += 1) expect(await send()).toBe("too large");
  expect(await state()).toBe(closed);
});
