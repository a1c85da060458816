/**
 * Our frames are those of Confluent's own serializer, byte for byte; confluent/make.ts says how its
 * were made. Where a message stands in its file is part of every frame ever written.
 */
import { describe, expect, test } from "bun:test";
import { messageIndexes, wireFormatOf } from "#platform/schemas/wire-format";
import { folder, readGolden, topicsWithGolden } from "./samples.ts";

interface Framed {
  readonly topic: string;
  readonly type: string;
  readonly framed: string;
}

const text = await Bun.file(`${folder}confluent/frames.jsonl`).text();
const theirs: readonly Framed[] = text
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

/** To add a message above one of these is to lose all that was framed before: add it below. */
const places: Readonly<Record<string, readonly number[]>> = {
  "escrow.commands.v1": [0],
  "escrow.events.v1": [0],
  "payments.commands.v1": [0],
  "payments.events.v1": [0],
  "treasury.events.v1": [33],
  "webhook.events.v1": [0],
  "contracts.events.v1": [0],
};

for (const topic of topicsWithGolden) {
  describe(topic.name, () => {
    const format = wireFormatOf(topic.schema);

    test("K1: its message stands where it stood; new messages go to the end of the file", () => {
      expect(messageIndexes(topic.schema)).toEqual(places[topic.name] ?? []);
    });

    for (const { type, framed } of theirs.filter((one) => one.topic === topic.name)) {
      test(`K1: ${type} is framed as Confluent's serializer does, and opened`, async () => {
        const bytes = Buffer.from(framed, "base64");
        const golden = (await readGolden(topic)).map((one) => Buffer.from(one.bytes, "base64"));
        const bare = Buffer.from(format.open(bytes));
        expect(golden.some((one) => one.equals(bare))).toBe(true);
        const frame = format.frame(bytes.readInt32BE(1));
        expect(Buffer.concat([frame, bare]).equals(bytes)).toBe(true);
      });
    }

    test("K1: there is at least one frame of theirs", () => {
      expect(theirs.filter((one) => one.topic === topic.name)).not.toBeEmpty();
    });
  });
}
