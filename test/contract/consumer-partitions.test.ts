import { describe, expect, test } from "bun:test";
import { TransientError } from "#platform/errors";
import { adapters } from "../support/databases.ts";
import { createScriptedLog } from "../support/scripted-log.ts";
import {
  effects,
  type Note,
  noteRecord,
  noteTopic,
  parkedNotes,
  tallyHandler,
} from "../support/tally.ts";
import { noteNamed, tallyWorld } from "../support/tally-world.ts";

for (const adapter of adapters) {
  describe(`several partitions in one transaction on ${adapter.name}`, () => {
    const world = tallyWorld(adapter);

    /** Keys a, b and c stand in partitions 0, 1 and 2. */
    function said(texts: string, headers = {}) {
      const log = createScriptedLog(3);
      const append = (more: string): void => {
        for (const text of more.split(" ")) {
          const [name = "", does] = text.split(":");
          const partition = "abc".indexOf(name[0] ?? "");
          const newer = does === "newer" ? { "schema-version": "2" } : {};
          const record = noteRecord(noteNamed(name, does), { ...headers, ...newer });
          log.append({ ...record, partition });
        }
      };
      append(texts);
      return { log, append };
    }

    /** The keys of each call of the handler. */
    function counting() {
      const calls: string[] = [];
      const before = (notes: readonly Note[]): void => {
        calls.push(notes.map(({ id }) => id).join(" "));
      };
      return { calls, handler: tallyHandler({ before }) };
    }

    async function positions(): Promise<string> {
      const rows = await world.db.sql<{ part: number; next: bigint }>`
        SELECT part, next FROM tally.consumer_cursor ORDER BY part`;
      return rows.map(({ part, next }) => `${part}:${next}`).join(" ");
    }

    test("what all have ready goes through together, and each one's position moves", async () => {
      const { log } = said("a1 b1 c1 a2");
      const { calls, handler } = counting();
      const consumer = await world.started(handler, { log });
      expect(await consumer.step()).toBe("worked");
      expect(calls).toEqual(["a1 a2 b1 c1"]);
      expect(await positions()).toBe("0:2 1:1 2:1");
      expect(world.handled.map(({ count }) => count)).toEqual([2, 1, 1]);
      expect(log.told).toEqual([{ done: 2n }, { done: 1n }, { done: 1n }]);
    });

    test("together they are no more than one batch may have; the rest comes next", async () => {
      const { log } = said("a1 a2 b1 b2 c1");
      const { calls, handler } = counting();
      const consumer = await world.started(handler, { log, maxRecords: 3 });
      await consumer.step();
      await consumer.step();
      expect(calls).toEqual(["a1 a2 b1", "b2 c1"]);
      expect(await positions()).toBe("0:2 1:2 2:1");
    });

    test("a key that is parked in one partition holds up no other partition", async () => {
      await world.poison("b");
      const { log, append } = said("a1 b1:poison b2 c1");
      const consumer = await world.started(tallyHandler(), { log });
      await consumer.step();
      append("a2 b3 c2");
      await consumer.step();
      expect(await effects(world.db)).toBe("a1 c1 a2 c2");
      expect(await parkedNotes(world.db)).toBe("0b:waiting:1 1b:waiting:0 2b:waiting:0");
      expect(await positions()).toBe("0:2 1:3 2:2");
    });

    test("where one waits for a newer version the others go on", async () => {
      const { log } = said("a1 b1 b2:newer c1");
      const consumer = await world.started(tallyHandler(), { log });
      await consumer.step();
      expect(await effects(world.db)).toBe("a1 b1 c1");
      expect(await positions()).toBe("0:1 1:1 2:1");
    });

    test("what was done by another owner is not done again, what is new is", async () => {
      const { log, append } = said("a1 b1");
      await (await world.started(tallyHandler({ dedupes: false }), { log })).step();
      append("b2 c1");
      for (const partition of [0, 1]) log.jump(noteTopic.name, partition, 0n);
      const zombie = await world.started(tallyHandler({ dedupes: false }), { log });
      for (const partition of [0, 1]) log.jump(noteTopic.name, partition, 0n);
      await zombie.step();
      expect(await effects(world.db)).toBe("a1 b1 b2 c1");
    });

    test("where they fail together each is tried alone, then for a while each goes alone", async () => {
      const { log, append } = said("a1 b1 c1");
      const calls: string[] = [];
      const handler = tallyHandler({
        before: (notes) => {
          calls.push(notes.map(({ id }) => id).join(" "));
          if (notes.some(({ id }) => id === "b1")) throw new TransientError("a hiccup over b");
        },
      });
      const consumer = await world.started(handler, { log });
      await consumer.step();
      expect(calls).toEqual(["a1 b1 c1", "a1", "b1", "c1"]);
      expect(await effects(world.db)).toBe("a1 c1");
      expect(await parkedNotes(world.db)).toBe("");
      append("a2 c2");
      await consumer.step();
      expect(calls.slice(4)).toEqual(["a2"]);
      await world.clock.advance(10_000);
      append("a3");
      await consumer.step();
      expect(calls[5]).toBe("a3 b1 c2");
    });
  });
}
