/** Dead letters as operators treat them, on the consumer's own tables: replay, discard, the cap. */
import { describe, expect, test } from "bun:test";
import {
  actsOn,
  discardLetters,
  mostAttempts,
  replayLetters,
} from "#platform/messaging/dead-letters/letter-actions";
import {
  followersOf,
  groupLetters,
  listLetters,
  openLetter,
} from "#platform/messaging/dead-letters/letters";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import { adapters } from "../support/databases.ts";
import { effects, noteRecord, parkedNotes, tallyHandler } from "../support/tally.ts";
import { noteNamed, tallyWorld } from "../support/tally-world.ts";

const ann = { askedBy: "test|ann", reason: "INC-1" };
const placeAt = (offset: bigint) => ({
  consumer: "tally.notes",
  topic: "notes.v1",
  partition: 0,
  offset,
});

for (const adapter of adapters) {
  describe(`dead letters on ${adapter.name}`, () => {
    const world = tallyWorld(adapter);
    const { started, redriver, append, blocked, poison, cure, outboxRows } = world;
    const replay = (offset: bigint, key: string, delayMs = 0) =>
      replayLetters(world.db, "tally", [{ place: placeAt(offset), key, delayMs }], ann);
    const discard = (offset: bigint, key: string, more = {}) =>
      discardLetters(world.db, "tally", [{ place: placeAt(offset), key }], { ...ann, ...more });

    /** a1 is dead with five tries, a2 and a3 wait behind it. */
    async function deadA1() {
      await poison("a");
      append("a1:poison", "b1", "a2", "a3");
      await (await started()).step();
      const redrive = redriver();
      for (let tries = 2; tries <= 5; tries += 1) await redrive.step();
      expect(await parkedNotes(world.db)).toBe("0a:dead:5 2a:waiting:0 3a:waiting:0");
      return redrive;
    }

    test("K4: a list shows what failed, not what waits behind it, with cause and stack", async () => {
      await deadA1();
      const letters = await listLetters(world.db, "tally", {}, 10);
      expect(letters).toMatchObject([
        { ...placeAt(0n), key: "a", state: "dead", attempts: 5, causeClass: "Error" },
      ]);
      const letter = await openLetter(world.db, "tally", placeAt(0n));
      expect(letter?.stack).toContain("Error: poison a1");
      expect(letter?.behind).toBe(2);
      expect(Buffer.from(letter?.value ?? [])).toEqual(
        Buffer.from(noteRecord(noteNamed("a1", "poison")).value),
      );
      const behind = await followersOf(world.db, "tally", { ...placeAt(0n), key: "a" }, 10);
      expect(behind.map(({ messageId }) => messageId)).toEqual(["a2", "a3"]);
    });

    test("K4: groups are failures of one cause and type, whatever their ids", async () => {
      await poison("a");
      await poison("b");
      append("a1:poison", "b1:poison", "c1000");
      await (await started()).step();
      const groups = await groupLetters(world.db, "tally", {});
      expect(groups.map(({ letters }) => letters)).toEqual([2, 1]);
      const [poisoned] = groups;
      const filter = { fingerprint: poisoned?.fingerprint };
      const letters = await listLetters(world.db, "tally", filter, 10);
      expect(letters.map(({ key }) => key)).toEqual(["a", "b"]);
    });

    test("K4: every filter narrows the list", async () => {
      await deadA1();
      const [letter] = await listLetters(world.db, "tally", {}, 1);
      const fits = [
        { type: "Note" },
        { topic: "notes.v1" },
        { key: "a" },
        { consumer: "tally.notes" },
        { cause: "Error" },
        { state: "dead" },
        { since: letter?.failedAt },
      ];
      const misses = [
        { type: "ote" },
        { topic: "other" },
        { key: "b" },
        { consumer: "other" },
        { cause: "TypeError" },
        { state: "waiting" },
        { since: new Date((letter?.failedAt.getTime() ?? 0) + 60_000) },
        { fingerprint: "other" },
      ];
      for (const filter of fits)
        expect([filter, (await listLetters(world.db, "tally", filter, 9)).length]).toEqual([
          filter,
          1,
        ]);
      for (const filter of misses)
        expect([filter, (await listLetters(world.db, "tally", filter, 9)).length]).toEqual([
          filter,
          0,
        ]);
    });

    test("K5, seed B5: a replay goes through the same handler, once in effect and in the order of the key", async () => {
      const redrive = await deadA1();
      await cure();
      expect(await replay(0n, "a")).toEqual([placeAt(0n)]);
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("b1 a1 a2 a3");
      expect(await blocked()).toBe("");
      expect(await replay(0n, "a")).toEqual([]);
      const acts = await actsOn(world.db, "tally", placeAt(0n));
      expect(acts).toMatchObject([{ action: "replay", askedBy: "test|ann", reason: "INC-1" }]);
    });

    test("K5: a replay that fails again is dead again at once, its tries counted and its copy sent", async () => {
      const redrive = await deadA1();
      await replay(0n, "a");
      expect(await redrive.step()).toBe("worked");
      expect(await parkedNotes(world.db)).toBe("0a:dead:6 2a:waiting:0 3a:waiting:0");
      expect(await redrive.step()).toBe("idle");
      const copies = await outboxRows();
      expect(copies.map(({ headers }) => headers["dlq-attempts"])).toEqual(["5", "6"]);
      const [letter] = await listLetters(world.db, "tally", {}, 1);
      expect(letter?.requestedBy).toBeNull();
      expect(await effects(world.db)).toBe("b1");
    });

    test("K5: nothing is replayed for ever: after twenty tries it is left out", async () => {
      const redrive = await deadA1();
      for (let tries = 5; tries < mostAttempts; tries += 1) {
        expect(await replay(0n, "a")).toHaveLength(1);
        await redrive.step();
      }
      expect(await parkedNotes(world.db)).toStartWith(`0a:dead:${mostAttempts}`);
      expect(await replay(0n, "a")).toEqual([]);
      expect(await redrive.step()).toBe("idle");
    });

    test("K5: a replay that is due later is not tried before", async () => {
      const redrive = await deadA1();
      await cure();
      await replay(0n, "a", 3_600_000);
      expect(await redrive.step()).toBe("idle");
      expect(await effects(world.db)).toBe("b1");
      await replay(0n, "a");
      expect(await redrive.step()).toBe("worked");
    });

    test("K5: what waits behind a letter is not to be treated alone", async () => {
      await deadA1();
      expect(await replay(2n, "a")).toEqual([]);
      expect(await discard(2n, "a")).toEqual([]);
      expect(await parkedNotes(world.db)).toBe("0a:dead:5 2a:waiting:0 3a:waiting:0");
    });

    test("a discard takes exactly that letter, keeps a copy, and what waited goes on in order", async () => {
      const redrive = await deadA1();
      expect(await discard(0n, "a", { approvedBy: "test|bea" })).toEqual([placeAt(0n)]);
      expect(await parkedNotes(world.db)).toBe("2a:waiting:0 3a:waiting:0");
      expect(await blocked()).toBe("a");
      append("a4");
      await (await started()).step();
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("b1 a2 a3 a4");
      const [kept] = await world.db.sql<{ value: Uint8Array }>`
        SELECT value, key, asked_by, approved_by, reason FROM tally.letter_action`;
      expect(kept).toMatchObject({
        key: "a",
        asked_by: "test|ann",
        approved_by: "test|bea",
        reason: "INC-1",
      });
      expect(Buffer.from(kept?.value ?? [])).toEqual(
        Buffer.from(noteRecord(noteNamed("a1", "poison")).value),
      );
    });

    test("a discard of the last one frees its key at once", async () => {
      await poison("a");
      append("a1:poison");
      await (await started()).step();
      await discard(0n, "a");
      expect(await blocked()).toBe("");
    });

    test("what operators did is never changed, and nobody is two operators", async () => {
      await deadA1();
      await replay(0n, "a");
      const { db } = world;
      expect(db.sql`UPDATE tally.letter_action SET reason = 'x'`).rejects.toThrow("append-only");
      expect(db.sql`DELETE FROM tally.letter_action`).rejects.toThrow("append-only");
      expect(discard(0n, "a", { approvedBy: "test|ann" })).rejects.toThrow("two_operators");
      await Promise.resolve();
    });

    test("seed E5: tries by itself come later and later, five of them, then a person is asked", async () => {
      await poison("a");
      append("a1:poison");
      const { redriveDelaysMs: _, ...options } = world.common(tallyHandler());
      await (await started(tallyHandler(), { redriveDelaysMs: undefined })).step();
      const redrive = createRedrive(options);
      const waits: number[] = [];
      for (let tries = 1; tries < 5; tries += 1) {
        const [letter] = await listLetters(world.db, "tally", {}, 1);
        expect(letter).toMatchObject({ state: "waiting", attempts: tries });
        waits.push((letter?.nextAt?.getTime() ?? 0) - (letter?.failedAt.getTime() ?? 0));
        expect(await redrive.step()).toBe("idle");
        await world.db.sql`UPDATE tally.parked SET next_at = clock_timestamp()`;
        expect(await redrive.step()).toBe("worked");
      }
      for (const [n, wait] of [2_000, 8_000, 30_000, 120_000].entries()) {
        expect(Math.abs((waits[n] ?? 0) - wait)).toBeLessThan(1_000);
      }
      const [dead] = await listLetters(world.db, "tally", {}, 1);
      expect(dead).toMatchObject({ state: "dead", attempts: 5, nextAt: null });
    });
  });
}
