import { expect, test } from "bun:test";
import type { PartitionEnds, SubscribeOptions } from "../messaging/event-log.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { createListenerWorker } from "./listener-worker.ts";

/** Where it starts when `done` is the last position of its group, told an end of 5. */
async function startedAt(done: bigint, endNow: bigint): Promise<bigint> {
  const ends = (end: bigint): PartitionEnds => ({ topic: "t", partition: 1, low: 2n, end });
  let asked: SubscribeOptions | undefined;
  const worker = createListenerWorker({
    listener: { name: "test.heard", on: "t", handle: () => undefined },
    topic: "t",
    read: () => undefined,
    log: {
      subscribe: (options) => {
        asked = options;
        return {
          state: () => "joined",
          poll: async () => null,
          close: async () => undefined,
        };
      },
      ends: async () => [{ ...ends(99n), partition: 0 }, ends(endNow)],
    },
    clock: { sleep: async () => undefined, monotonicMs: () => 0 },
    logger: silentLogger,
  });
  await worker.start?.();
  if (asked === undefined) throw new Error("nothing was subscribed to");
  return asked.startAt("t", 1, ends(5n), async () => done);
}

test("a listener does not fall back on an end that was read before another did more", async () => {
  expect(await startedAt(8n, 9n)).toBe(8n);
  expect(await startedAt(4n, 9n)).toBe(4n);
});

test("a listener goes on where the log is when what comes next is not in it", async () => {
  expect(await startedAt(8n, 6n)).toBe(6n);
  expect(await startedAt(1n, 9n)).toBe(2n);
});
