/**
 * Whom the redrive tries next, and whom it blames: messages behind their successors, processes that
 * died with innocents in hand, and keys that fail transiently for as long as it takes.
 */
import { describe, expect, test } from "bun:test";
import { replayLetters } from "#platform/messaging/dead-letters/letter-actions";
import { listLetters } from "#platform/messaging/dead-letters/letters";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import type { Worker } from "#platform/module";
import { adapters } from "../support/databases.ts";
import { effects, parkedNotes, type TallyHandler, tallyHandler } from "../support/tally.ts";
import { tallyWorld } from "../support/tally-world.ts";

const numbered = tallyHandler({ numbered: true });

for (const adapter of adapters) {
  describe(`order and blame in the redrive on ${adapter.name}`, () => {
    const world = tallyWorld(adapter);
    const { append, redriver, blocked } = world;

    async function park(handler: TallyHandler, ...notes: string[]): Promise<void> {
      append(...notes);
      await (await world.started(handler)).step();
    }

    async function untilIdle(redrive: Worker): Promise<void> {
      for (let steps = 0; steps < 40 && (await redrive.step()) === "worked"; steps += 1);
    }

    /** What a process has written that was killed with all of it in hand. */
    const killed = (crashes = 0) => world.db.sql`
      UPDATE tally.parked SET crashes = ${crashes}, in_hand_of = 'a dead process',
        in_hand_since = clock_timestamp() - interval '1 hour'`;

    const replay = (offset: bigint) => {
      const place = { consumer: "tally.notes", topic: "notes.v1", partition: 0, offset };
      const act = { askedBy: "test|ann", reason: "INC-1" };
      return replayLetters(world.db, "tally", [{ place, key: "a", delayMs: 0 }], act);
    };

    test("a process killed once does not keep a late predecessor from being found", async () => {
      await park(numbered, "a2", "a3", "a4", "a1");
      await killed();
      await untilIdle(redriver(numbered));
      expect(await effects(world.db)).toBe("a1 a2 a3 a4");
      expect(await blocked()).toBe("");
    });

    test("those who only came too early are cleared of a crash, and it costs them no try", async () => {
      await park(numbered, "a2", "a3", "a4");
      await killed();
      const redrive = redriver(numbered);
      const suspects = async () =>
        (
          await world.db.sql<{ crashes: number }>`SELECT crashes FROM tally.parked ORDER BY off`
        ).map(({ crashes }) => crashes);
      for (const left of [
        [0, 1, 1],
        [0, 0, 1],
        [0, 0, 0],
      ]) {
        expect(await redrive.step()).toBe("worked");
        expect(await suspects()).toEqual(left);
        expect(await parkedNotes(world.db)).toBe("0a:waiting:1 1a:waiting:0 2a:waiting:0");
      }
      await untilIdle(redrive);
      expect(await parkedNotes(world.db)).toBe("0a:dead:5 1a:waiting:0 2a:waiting:0");
    });

    test("the one that ends processes is dead also behind its successors, and once", async () => {
      await park(numbered, "a2", "a3", "a1");
      await world.db.sql`UPDATE tally.parked SET crashes = 3 WHERE off = 2`;
      await untilIdle(redriver(numbered));
      await untilIdle(redriver(numbered));
      expect(await parkedNotes(world.db)).toBe("0a:waiting:1 1a:waiting:0 2a:dead:1");
      expect(await world.outboxRows()).toHaveLength(1);
      await replay(2n);
      await untilIdle(redriver(numbered));
      expect(await effects(world.db)).toBe("a1 a2 a3");
    });

    test("keys that fail transiently keep no other from its try", async () => {
      const ill = [..."abcdefghijklmnopqrst"];
      for (const key of [...ill, "z"]) {
        await world.poison(key);
        append(`${key}1:poison`);
      }
      const consumer = await world.started(tallyHandler(), { maxRecords: 5 });
      for (let steps = 0; steps < 10; steps += 1) await consumer.step();
      await world.cure();
      await transientBut("z", tallyHandler());
      expect(await effects(world.db)).toBe("z1");
      // Nobody's fault is counted.
      const tries = await world.db.sql`SELECT DISTINCT attempts FROM tally.parked`;
      expect(tries).toEqual([{ attempts: 1 }]);
    });

    test("messages without order that fail transiently keep no other from its try", async () => {
      const free = tallyHandler({ order: "none" });
      await world.poison("a");
      for (let n = 1; n <= 21; n += 1) append(`a${n}:poison`);
      const consumer = await world.started(free, { maxRecords: 5 });
      for (let steps = 0; steps < 10; steps += 1) await consumer.step();
      await world.cure();
      await transientBut("a21", free);
      expect(await effects(world.db)).toBe("a21");
    });

    /** Steps while all fail transiently but this key's notes, or this note. */
    async function transientBut(well: string, { order }: TallyHandler): Promise<void> {
      const before: Parameters<typeof tallyHandler>[0] = {
        ...(order && { order }),
        before(notes) {
          if (notes.some(({ key, id }) => key !== well && id !== well)) throw new Error("a hiccup");
        },
      };
      const redrive = redriver(tallyHandler(before));
      for (let steps = 0; steps < 3; steps += 1) await redrive.step().catch(() => undefined);
    }

    test("what failed transiently is left alone for a while", async () => {
      await world.poison("a");
      await park(tallyHandler(), "a1:poison");
      let tries = 0;
      const handler = tallyHandler({
        before() {
          tries += 1;
          throw new Error("a hiccup");
        },
      });
      const redrive = createRedrive({ ...world.common(handler), hiccupMs: 3_600_000 });
      await expect(redrive.step()).rejects.toThrow("a hiccup");
      expect(await redrive.step()).toBe("idle");
      expect(tries).toBe(1);
    });

    test("a late predecessor that fails is blamed itself, and its replay frees the key", async () => {
      await world.poison("a");
      await park(numbered, "a2", "a3", "a1:poison");
      const redrive = redriver(numbered);
      await untilIdle(redrive);
      expect(await parkedNotes(world.db)).toBe("0a:waiting:1 1a:waiting:0 2a:dead:5");
      const letters = await listLetters(world.db, "tally", { state: "dead" }, 10);
      expect(letters.map(({ messageId, cause }) => `${messageId}: ${cause}`)).toEqual([
        "a1: Error: poison a1",
      ]);
      await world.cure();
      expect(await replay(2n)).toHaveLength(1);
      await untilIdle(redrive);
      expect(await effects(world.db)).toBe("a1 a2 a3");
      expect(await blocked()).toBe("");
    });

    test("the tries of a late predecessor keep their waits, and a replay is the next of them", async () => {
      await world.poison("a");
      await park(numbered, "a2", "a1:poison");
      await world.db.sql`UPDATE tally.parked SET next_at = NULL`;
      const delays = [3_600_000, 3_600_000, 3_600_000, 3_600_000];
      const redrive = createRedrive({ ...world.common(numbered), redriveDelaysMs: delays });
      expect(await redrive.step()).toBe("worked");
      expect(await redrive.step()).toBe("idle");
      expect(await parkedNotes(world.db)).toBe("0a:waiting:1 1a:waiting:1");
      await world.cure();
      await replay(1n);
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1 a2");
    });

    test("also behind what went through, a late predecessor's tries keep their waits", async () => {
      await world.poison("a");
      await park(numbered, "a1:poison", "a3", "a2:terminal");
      await world.cure();
      const delays = [3_600_000, 3_600_000, 3_600_000, 3_600_000];
      const redrive = createRedrive({ ...world.common(numbered), redriveDelaysMs: delays });
      await world.db.sql`UPDATE tally.parked SET next_at = NULL`;
      expect(await redrive.step()).toBe("worked");
      expect(await redrive.step()).toBe("idle");
      expect(await effects(world.db)).toBe("a1");
      expect(await parkedNotes(world.db)).toBe("1a:waiting:0 2a:waiting:1");
    });

    test("a late predecessor that fails transiently costs its successors no try", async () => {
      await park(numbered, "a2", "a1");
      const stumbling = tallyHandler({
        numbered: true,
        before(notes) {
          if (notes.some(({ id }) => id === "a1")) throw new Error("a hiccup");
        },
      });
      const redrive = redriver(stumbling);
      for (let steps = 0; steps < 8; steps += 1) await redrive.step().catch(() => undefined);
      expect(await parkedNotes(world.db)).toBe("0a:waiting:1 1a:waiting:0");
      await untilIdle(redriver(numbered));
      expect(await effects(world.db)).toBe("a1 a2");
    });
  });
}
