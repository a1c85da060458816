/**
 * What was ever written is read for ever: topics of events are kept without end, and rebuilds read
 * them from the beginning. `bun scripts/golden.ts` adds bytes for what is new.
 */
import { describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { fromBinary, type Message, toJson } from "@bufbuild/protobuf";
import { decode } from "#platform/messaging/codec";
import type { AnyTopic } from "#platform/messaging/topic";
import {
  folder,
  type Golden,
  readGolden,
  samplesOf,
  topicsWithGolden,
  withAdditions,
} from "./samples.ts";

const hint = "bun scripts/golden.ts adds it";

function read(topic: AnyTopic, { bytes }: Golden): Message {
  const value = Buffer.from(bytes, "base64");
  const key = topic.keyOf(fromBinary(topic.schema, value));
  const headers = { "schema-version": "1" };
  const at = { topic: topic.name, partition: 0, offset: 0n, appendedAt: new Date(0) };
  return decode(topic, { ...at, key, value, headers }).message;
}

for (const topic of topicsWithGolden) {
  const kept = await readGolden(topic);
  const samples = samplesOf(topic);

  describe(topic.name, () => {
    test(`K2: every type and field has golden bytes (${hint})`, () => {
      const known = new Set(kept.map(({ bytes }) => bytes));
      const lacking = samples.filter(({ bytes }) => !known.has(bytes));
      expect(lacking.map(({ type }) => type)).toEqual([]);
      expect(kept.length).toBeGreaterThanOrEqual(samples.length);
    });

    for (const [index, golden] of kept.entries()) {
      test(`K2: ${golden.type} of line ${index + 1} says what it said`, () => {
        const message = read(topic, golden);
        expect(topic.typeOf(message)).toBe(golden.type);
        expect(toJson(topic.schema, message)).toEqual(golden.json as never);
        expect(unknownIn(message)).toEqual([]);
      });
    }

    test("K2: what is there is never changed by an addition", () => {
      const newer: Golden = { type: samples[0]?.type ?? "", bytes: "AA==", json: {} };
      const after = withAdditions(kept, [...kept, newer]);
      expect(after.filter((one) => one !== newer)).toEqual([...kept]);
      expect(after).toHaveLength(kept.length + 1);
    });
  });
}

test("K2: no golden file is left behind by a topic that went", async () => {
  const files = (await readdir(folder)).filter((name) => /\.v\d+\.jsonl$/.test(name)).sort();
  expect(files).toEqual(topicsWithGolden.map(({ name }) => `${name}.jsonl`).sort());
});

/** Where a message holds bytes of fields that its type does not have (any more). */
function unknownIn(value: unknown, path = "message"): string[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name === "$unknown" ? [path] : unknownIn(part, `${path}.${name}`),
  );
}
