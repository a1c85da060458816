/** I3 as `app verify` asks it: the order readers get, also where something was published late. */
import { expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { EventLog } from "#platform/messaging/event-log";
import { checkEventTopic } from "#platform/verify/check-events";
import { createScriptedLog } from "../support/scripted-log.ts";
import { noteIn, noteRecord, noteTopic } from "../support/tally.ts";
import { noteNamed } from "../support/tally-world.ts";

/** What I3 says of these notes, in the order they stand on their topic. */
async function disorderOf(...names: string[]): Promise<string | undefined> {
  const records = names.map((name, n) => ({
    ...noteRecord(noteNamed(name)),
    partition: 0,
    offset: BigInt(n),
    appendedAt: new Date(0),
  }));
  const end = BigInt(records.length);
  const log = {
    ...createScriptedLog(),
    ends: async () => [{ topic: noteTopic.name, partition: 0, low: 0n, end }],
    read: async (_topic, _partition, from) => records.slice(Number(from)),
  } as EventLog;
  const findings = await checkEventTopic(log, {
    topic: noteTopic,
    decode: (value) => fromBinary(StringValueSchema, value),
    versionOf: ({ value }) => BigInt(noteIn(noteRecord(JSON.parse(value))).n),
    history: async function* () {
      yield records.map(({ value, headers }) => ({
        id: headers["message-id"] ?? "",
        payload: value,
      }));
    },
    waiting: async () => new Set(),
  });
  return findings.find(({ id }) => id === "I3")?.counterexample;
}

test("invariant I3: in order, with repeats", async () => {
  expect(await disorderOf("a1", "b1", "a2", "a1", "a2", "a3")).toBeUndefined();
});

test("invariant I3: what came too early is in order once it is repeated behind what it follows", async () => {
  expect(await disorderOf("a1", "a3", "a4", "a2", "a3", "a4")).toBeUndefined();
});

test("invariant I3: what came too early and was not repeated whole is out of order", async () => {
  expect(await disorderOf("a1", "a3", "a2")).toContain("a version 3 after 1");
  expect(await disorderOf("a1", "a3", "a4", "a2", "a3")).toContain("a version 4 after 1");
  expect(await disorderOf("a2")).toContain("a version 2 after 0");
});
