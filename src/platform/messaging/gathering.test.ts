import { expect, test } from "bun:test";
import type { LogBatch } from "./event-log.ts";
import { createGathering } from "./gathering.ts";

const clock = { monotonicMs: () => performance.now() };
/** However long a busy machine takes, a lane is in nobody's way for too long. */
const standing = { monotonicMs: () => 0 };
/** Goes on by as much at each look, whatever the machine does. */
function ticking() {
  let nowMs = 0;
  return { monotonicMs: () => (nowMs += 5) };
}

/** Hands out what was put in, one partition a batch. */
function createTopic() {
  const ready: LogBatch[] = [];
  let waiting = 0;
  let mostWaiting = 0;
  return {
    mostWaiting: () => mostWaiting,
    put: (partition: number, count: number) => {
      const records = Array.from({ length: count }, () => ({}));
      ready.push({ partition, records } as unknown as LogBatch);
    },
    poll: async (waitMs: number) => {
      const until = performance.now() + waitMs;
      waiting += 1;
      mostWaiting = Math.max(mostWaiting, waiting);
      while (ready.length === 0 && performance.now() < until) await Bun.sleep(1);
      waiting -= 1;
      return ready.shift() ?? null;
    },
  };
}

const partitionsOf = (batches: readonly LogBatch[]) => batches.map(({ partition }) => partition);

test("what comes while a batch is in hand gathers for the next", async () => {
  const topic = createTopic();
  const gathering = createGathering({ clock: standing, maxRecords: 10 });
  topic.put(0, 1);
  expect(partitionsOf(await gathering.take(topic, 50))).toEqual([0]);
  const next = gathering.take(topic, 5_000);
  topic.put(1, 1);
  await Bun.sleep(5);
  topic.put(2, 1);
  gathering.settled();
  expect(partitionsOf(await next)).toEqual([1, 2]);
});

test("only one lane waits for a batch, and the next one as soon as it has none", async () => {
  const topic = createTopic();
  const gathering = createGathering({ clock, maxRecords: 10 });
  const first = gathering.take(topic, 20);
  const second = gathering.take(topic, 30_000);
  expect(await first).toEqual([]);
  topic.put(0, 1);
  expect(partitionsOf(await second)).toEqual([0]);
  expect(topic.mostWaiting()).toBe(1);
});

test("a lane that is held up holds up the others for a moment only", async () => {
  const topic = createTopic();
  const gathering = createGathering({ clock: ticking(), maxRecords: 10 });
  topic.put(0, 1);
  await gathering.take(topic, 50);
  topic.put(1, 1);
  expect(await gathering.take(topic, 20)).toEqual([]);
  expect(partitionsOf(await gathering.take(topic, 500))).toEqual([1]);
});

test("where there is more than one lane can take, all do", async () => {
  const topic = createTopic();
  const gathering = createGathering({ clock, maxRecords: 10 });
  for (const partition of [0, 1, 2]) topic.put(partition, 10);
  const taken = [
    await gathering.take(topic, 50),
    await gathering.take(topic, 0),
    await gathering.take(topic, 0),
  ];
  expect(taken.map(partitionsOf)).toEqual([[0], [1], [2]]);
});

test("after a failure each partition goes alone", async () => {
  const topic = createTopic();
  const gathering = createGathering({ clock, maxRecords: 10 });
  gathering.failed();
  topic.put(0, 1);
  topic.put(1, 1);
  expect(partitionsOf(await gathering.take(topic, 50))).toEqual([0]);
});
