import { describe, expect, test } from "bun:test";
import { adapters } from "../support/databases.ts";
import { effects, noteRecord, parkedNotes, tallyHandler } from "../support/tally.ts";
import { noteNamed, tallyWorld } from "../support/tally-world.ts";

for (const adapter of adapters) {
  describe(`the consumer on ${adapter.name}`, () => {
    const world = tallyWorld(adapter);
    const { started, redriver, append, next, blocked, poison, cure, outboxRows } = world;

    test("applies in order, moves the cursor and says so", async () => {
      append("a1", "b1", "a2");
      const consumer = await started();
      expect(await consumer.step()).toBe("worked");
      expect(await consumer.step()).toBe("idle");
      expect(await effects(world.db)).toBe("a1 b1 a2");
      expect(await next()).toBe(3n);
      expect(world.log.told).toEqual([{ done: 3n }]);
      expect(world.handled).toEqual([
        { handler: "tally.notes", count: 3, parked: 0, durationMs: 0, waitedMs: expect.any(Array) },
      ]);
      expect(consumer.problem?.()).toBeUndefined();
    });

    test("what another owner did meanwhile is dropped", async () => {
      append("a1", "a2", "a3");
      const [one, zombie] = [await started(), await started(tallyHandler(), { maxRecords: 2 })];
      await one.step();
      await zombie.step();
      await zombie.step();
      expect(await effects(world.db)).toBe("a1 a2 a3");
    });

    test("a repeat in the same batch takes effect once", async () => {
      append("a1", "a1", "a2");
      await (await started()).step();
      expect(await effects(world.db)).toBe("a1 a2");
      expect(await next()).toBe(3n);
    });

    test("an id that says something else comes in a transaction of its own", async () => {
      const batches: number[] = [];
      const handler = tallyHandler({ before: (notes) => void batches.push(notes.length) });
      append("a1", "a2", "a1:answer", "a3");
      const consumer = await started(handler);
      await consumer.step();
      await consumer.step();
      expect(batches).toEqual([2, 2]);
      expect(await effects(world.db)).toBe("a1 a2 a3");
      expect(world.log.told).toEqual([{ seek: 2n }, { done: 4n }]);
    });

    test("answers go to the outbox with the cause", async () => {
      append("a1:answer");
      await (await started()).step();
      const [row] = await outboxRows();
      expect(row?.aggregatetype).toBe("answers.v1");
      expect(row?.headers["causation-id"]).toBe("a1");
    });

    test("a poison message is parked with what follows of its key; others flow", async () => {
      await poison("a");
      append("a1", "a2:poison", "b1", "a3", "b2");
      await (await started()).step();
      expect(await effects(world.db)).toBe("a1 b1 b2");
      expect(await parkedNotes(world.db)).toBe("1a:waiting:1 3a:waiting:0");
      expect(await blocked()).toBe("a");
      expect(world.handled[0]?.parked).toBe(2);
    });

    test("a later batch parks behind a blocked key", async () => {
      await poison("a");
      append("a1:poison");
      const consumer = await started();
      await consumer.step();
      append("a2", "b1");
      await consumer.step();
      expect(await effects(world.db)).toBe("b1");
      expect(await parkedNotes(world.db)).toBe("0a:waiting:1 1a:waiting:0");
    });

    test("redrive lets parked messages through in order and frees the key", async () => {
      await poison("a");
      append("a1:poison", "a2", "a3");
      const consumer = await started();
      await consumer.step();
      await cure();
      expect(await redriver().step()).toBe("worked");
      append("a4");
      await consumer.step();
      expect(await effects(world.db)).toBe("a1 a2 a3 a4");
      expect(await parkedNotes(world.db)).toBe("");
      expect(await blocked()).toBe("");
      expect(await redriver().step()).toBe("idle");
    });

    test("a message that comes behind its successors is let through before them", async () => {
      const numbered = tallyHandler({ numbered: true });
      append("a1", "a3", "a4", "b1");
      const consumer = await started(numbered);
      await consumer.step();
      expect(await effects(world.db)).toBe("a1 b1");
      const redrive = redriver(numbered);
      await redrive.step();
      expect(await parkedNotes(world.db)).toBe("1a:waiting:2 2a:waiting:0");
      // Far behind, with repeats and more of what waits for it in between.
      append("a3", ...Array.from({ length: 60 }, (_, n) => `a${n + 5}`), "a2");
      await consumer.step();
      expect(await effects(world.db)).toBe("a1 b1");
      while ((await redrive.step()) === "worked");
      const all = Array.from({ length: 64 }, (_, n) => `a${n + 1}`);
      expect(await effects(world.db)).toBe(["a1", "b1", ...all.slice(1)].join(" "));
      expect(await blocked()).toBe("");
    });

    test("a gap that nothing closes ends as any failure does", async () => {
      const numbered = tallyHandler({ numbered: true });
      append("a2", "a3");
      await (await started(numbered)).step();
      const redrive = redriver(numbered);
      while ((await redrive.step()) === "worked");
      expect(await parkedNotes(world.db)).toBe("0a:dead:5 1a:waiting:0");
      expect(await effects(world.db)).toBe("");
    });

    test("pitfall 45: after five tries a message is dead, with a copy of its bytes, and blocks its key", async () => {
      await poison("a");
      append("a1:poison", "a2");
      await (await started()).step();
      const redrive = redriver();
      for (let tries = 2; tries <= 5; tries += 1) expect(await redrive.step()).toBe("worked");
      expect(await redrive.step()).toBe("idle");
      expect(await parkedNotes(world.db)).toBe("0a:dead:5 1a:waiting:0");
      expect(await blocked()).toBe("a");
      const [copy] = await outboxRows();
      expect(copy?.aggregatetype).toBe("notes.v1.dlq");
      expect(copy?.aggregateid).toBe("a");
      expect(copy?.payload).toEqual(Uint8Array.from(noteRecord(noteNamed("a1", "poison")).value));
      expect(copy?.headers).toMatchObject({
        "message-id": "a1",
        "dlq-original-topic": "notes.v1",
        "dlq-original-partition": "0",
        "dlq-original-offset": "0",
        "dlq-consumer-group": "tally.notes",
        "dlq-error-class": "Error",
        "dlq-error-message": "poison a1",
        "dlq-attempts": "5",
      });
    });

    test("an operator's replay of a dead message frees its key once it passes", async () => {
      await poison("a");
      append("a1:poison", "a2");
      await (await started()).step();
      const redrive = redriver();
      for (let tries = 0; tries < 4; tries += 1) await redrive.step();
      await cure();
      await world.db
        .sql`UPDATE tally.parked SET state = 'waiting', requested_by = 'ann' WHERE off = 0`;
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1 a2");
      expect(await blocked()).toBe("");
    });

    test("a key whose parked messages were all discarded is freed", async () => {
      await poison("a");
      append("a1:poison");
      const consumer = await started();
      await consumer.step();
      await world.db.sql`DELETE FROM tally.parked`;
      await redriver().step();
      append("a2");
      await consumer.step();
      expect(await effects(world.db)).toBe("a2");
    });

    test("redrive stops at the first failure and keeps what went through before it", async () => {
      await poison("a");
      append("a1:poison", "a2", "a3:terminal", "a4");
      await (await started()).step();
      await cure();
      await redriver().step();
      expect(await effects(world.db)).toBe("a1 a2");
      expect(await parkedNotes(world.db)).toBe("2a:waiting:1 3a:waiting:0");
    });

    test("without order a failing message is parked alone", async () => {
      await poison("a");
      const handler = tallyHandler({ order: "none" });
      append("a1:poison", "a2");
      await (await started(handler)).step();
      expect(await effects(world.db)).toBe("a2");
      expect(await blocked()).toBe("");
      await cure();
      expect(await redriver(handler).step()).toBe("worked");
      expect(await effects(world.db)).toBe("a2 a1");
      expect(await parkedNotes(world.db)).toBe("");
    });
  });
}
