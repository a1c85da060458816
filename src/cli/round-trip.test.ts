import { expect, test } from "bun:test";
import { TransientError } from "#platform/errors";
import type { LogRecord, NewRecord } from "#platform/messaging/event-log";
import { roundTrip } from "./round-trip.ts";

const clock = { sleep: async () => {} };

/** A log whose producers are, as Kafka's, of no more use after a rejection; the first one rejects. */
function logThatRejectsOnce() {
  const kept: NewRecord[] = [];
  let producers = 0;
  return {
    producers: () => producers,
    createProducer() {
      producers += 1;
      let unusable = producers === 1;
      return {
        send: async (records: readonly NewRecord[]) => {
          if (unusable) throw new TransientError("not the leader, or given up since");
          unusable = false;
          kept.push(...records);
          return records.map(({ topic }) => {
            const offset = BigInt(kept.length - 1);
            return { topic, partition: 0, offset, appendedAt: new Date(0) };
          });
        },
        close: async () => {},
      };
    },
    read: async (topic: string, partition: number, from: bigint): Promise<LogRecord[]> =>
      kept
        .slice(Number(from), Number(from) + 1)
        .map((record) => ({ ...record, topic, partition, offset: from, appendedAt: new Date(0) })),
  };
}

test("a rejected message is sent again by another producer", async () => {
  const log = logThatRejectsOnce();
  await roundTrip(log, clock);
  expect(log.producers()).toBe(2);
});

test("what comes back must be what was sent", async () => {
  const log = logThatRejectsOnce();
  const { read } = log;
  let reads = 0;
  const forgetful = {
    ...log,
    read: async (...place: Parameters<typeof read>) => {
      reads += 1;
      return reads < 3 ? [] : await read(...place);
    },
  };
  await roundTrip(forgetful, clock);
  expect(reads).toBe(3);
});

test("a program that ends while no message goes round asks no longer", async () => {
  const stopping = new AbortController();
  let asked = 0;
  const dead = {
    createProducer: () => ({
      send: async () => {
        asked += 1;
        if (asked === 3) stopping.abort();
        throw new TransientError("no broker");
      },
      close: async () => {},
    }),
    read: async () => [],
  };
  await roundTrip(dead, clock, stopping.signal);
  expect(asked).toBe(3);
});
