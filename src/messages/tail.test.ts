import { expect, test } from "bun:test";
import type { LogRecord } from "#platform/messaging/event-log";
import { tail } from "./tail.ts";

const topic = "escrow.events.v1";
/** By partition: when each record was appended, in seconds. */
type Appended = readonly (readonly number[])[];

function logOf(partitions: Appended, low = 0n) {
  const records = partitions.map((times, partition) =>
    times.map((at, index): LogRecord => {
      const message = { key: `k${partition}`, value: new Uint8Array(), headers: {} };
      const place = { topic, partition, offset: low + BigInt(index) };
      return { ...place, ...message, appendedAt: new Date(at * 1_000) };
    }),
  );
  return {
    ends: async () =>
      records.map((all, partition) => ({ topic, partition, low, end: low + BigInt(all.length) })),
    read: async (_topic: string, partition: number, from: bigint, limit: number) =>
      (records[partition] ?? []).filter(({ offset }) => offset >= from).slice(0, limit),
  };
}

async function places(log: ReturnType<typeof logOf>, limit: number, after?: string) {
  const { items, next } = await tail(log, { topics: [topic], limit, after });
  return { items: items.map(({ partition, offset }) => `${partition}@${offset}`), next };
}

test("the latest messages come first, those of all partitions in the order of time", async () => {
  const log = logOf([
    [1, 4, 5],
    [2, 3, 6],
  ]);
  expect((await places(log, 3)).items).toEqual(["0@1", "0@2", "1@2"]);
});

test("after them comes whatever was appended since, page by page, each message once", async () => {
  const { next } = await places(logOf([[1, 2], [3]]), 2);
  const grown = logOf([
    [1, 2, 5, 7],
    [3, 4, 6],
  ]);
  const second = await places(grown, 3, next);
  expect(second.items).toEqual(["1@1", "0@2", "1@2"]);
  const third = await places(grown, 3, second.next);
  expect(third.items).toEqual(["0@3"]);
  expect((await places(grown, 3, third.next)).items).toEqual([]);
});

test("a partition without a message is followed from its start", async () => {
  const { next } = await places(logOf([[]]), 5);
  expect((await places(logOf([[1]]), 5, next)).items).toEqual(["0@0"]);
});

test("a sender's clock that goes back does not turn a partition's order around", async () => {
  const log = logOf([[5, 1, 2], [3]]);
  expect((await places(log, 10)).items).toEqual(["1@0", "0@0", "0@1", "0@2"]);
});

test("what the log no longer keeps is passed over", async () => {
  const { next } = await places(logOf([[1]]), 5);
  expect((await places(logOf([[8, 9]], 40n), 5, next)).items).toEqual(["0@40", "0@41"]);
});

test("a topic that is not ours and a made-up cursor are refused", async () => {
  const log = logOf([[1]]);
  expect(tail(log, { topics: ["nope"], limit: 1 })).rejects.toThrow("none of the topics");
  for (const after of ["x", Buffer.from('{"a":"-1"}').toString("base64url")]) {
    expect(tail(log, { topics: [], limit: 1, after })).rejects.toThrow("Not a cursor");
  }
});
