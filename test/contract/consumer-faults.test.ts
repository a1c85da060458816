import { describe, expect, test } from "bun:test";
import { createConsumer } from "#platform/messaging/consumer";
import { WorkerLostError } from "#platform/workers/worker-lost-error";
import { adapters } from "../support/databases.ts";
import {
  effects,
  noteRecord,
  noteTopic,
  parkedNotes,
  type TallyHandler,
  tallyHandler,
} from "../support/tally.ts";
import { noteNamed, tallyWorld } from "../support/tally-world.ts";

const T = noteTopic.name;

for (const adapter of adapters) {
  describe(`the consumer under faults on ${adapter.name}`, () => {
    const world = tallyWorld(adapter);
    const { started, redriver, append, next, outboxRows } = world;

    test("a write the database refuses parks only its own message", async () => {
      append("a1", "b1000", "c1", "b1", "a2");
      await (await started()).step();
      expect(await effects(world.db)).toBe("a1 c1 a2");
      expect(await parkedNotes(world.db)).toBe("1b:waiting:1 3b:waiting:0");
    });

    test("a check deferred to COMMIT parks only its own message", async () => {
      append("a1:family", "b1:child", "c1:family");
      await (await started()).step();
      expect(await effects(world.db)).toBe("a1 c1");
      expect(await parkedNotes(world.db)).toBe("1b:waiting:1");
    });

    test("a fault of the code parks only its own message", async () => {
      append("a1", "b1:bug", "c1");
      await (await started()).step();
      expect(await effects(world.db)).toBe("a1 c1");
      expect(await parkedNotes(world.db)).toBe("1b:waiting:1");
    });

    test("a hiccup parks nothing; the batch comes again, each time a little later", async () => {
      append("a1:hiccup");
      const consumer = await started();
      for (let tries = 0; tries < 4; tries += 1) await consumer.step();
      const delays = world.log.told.map((one) => ("retryAfter" in one ? one.retryAfter : -1));
      expect(delays).toHaveLength(4);
      delays.forEach((delay, tries) => {
        expect(delay).toBeGreaterThanOrEqual(50 * 2 ** tries);
        expect(delay).toBeLessThanOrEqual(100 * 2 ** tries);
      });
      expect(await parkedNotes(world.db)).toBe("");
      expect(await next()).toBe(0n);
      expect(consumer.problem?.()).toContain("a hiccup");
    });

    test("two ids that meet in the database are run again and told apart", async () => {
      append("a1", "a2");
      let first = true;
      const handler = tallyHandler({});
      const racing: TallyHandler = {
        ...handler,
        async handleBatch(tx, batch) {
          const said = await handler.handleBatch(tx, batch);
          if (first) {
            first = false;
            await tx.sql`INSERT INTO tally.outcome (id, key, n) VALUES ('a1', 'a', 1)`;
          }
          return said;
        },
      };
      await (await started(racing)).step();
      expect(await effects(world.db)).toBe("a1 a2");
      expect(await parkedNotes(world.db)).toBe("");
    });

    test("an undecodable message is dead at once, holds back its key and has a copy", async () => {
      append("a1");
      world.log.append({
        topic: T,
        partition: 0,
        key: "a",
        value: new Uint8Array([255, 255]),
        headers: { "message-id": "bad\0id", "x\0y": "\ud800" },
      });
      append("a2", "b1");
      await (await started()).step();
      expect(await effects(world.db)).toBe("a1 b1");
      expect(await parkedNotes(world.db)).toBe("1a:dead:1 2a:waiting:0");
      const [copy] = await outboxRows();
      expect(copy?.payload).toEqual(new Uint8Array([255, 255]));
      expect(copy?.headers["dlq-error-class"]).toBe("TerminalError");
      expect(await redriver().step()).toBe("idle");
    });

    test("a dead letter too large for the log is copied without its bytes", async () => {
      const value = new Uint8Array(950_000);
      world.log.append({ topic: T, partition: 0, key: "a", value, headers: {} });
      await (await started()).step();
      const [copy] = await outboxRows();
      expect(copy?.headers["dlq-truncated"]).toBe("true");
      const [row] = await world.db.sql<{
        size: number;
      }>`SELECT length(value) AS size FROM tally.parked`;
      expect(row?.size).toBe(950_000);
    });

    test("a newer version pauses the partition at that message and skips nothing", async () => {
      append("a1");
      const newer = noteRecord(noteNamed("a2"), { "schema-version": "2" });
      world.log.append({ ...newer, partition: 0 });
      append("b1");
      const consumer = await started();
      await consumer.step();
      await consumer.step();
      expect(await effects(world.db)).toBe("a1");
      expect(await next()).toBe(1n);
      expect(world.log.told).toEqual([{ seek: 1n }, { retryAfter: 30_000 }]);
      expect(consumer.problem?.()).toContain("schema version 2");
      expect(await parkedNotes(world.db)).toBe("");
    });

    test("a client that jumps ahead is sent back", async () => {
      append("a1", "a2", "a3");
      const consumer = await started(tallyHandler(), { maxRecords: 1 });
      await consumer.step();
      world.log.jump(T, 0, 2n);
      for (let steps = 0; steps < 4; steps += 1) await consumer.step();
      expect(await effects(world.db)).toBe("a1 a2 a3");
      expect(world.log.told).toContainEqual({ seek: 1n });
    });

    test("messages that retention took before they were read stop the consumer", async () => {
      append("a1", "a2", "a3");
      const consumer = await started(tallyHandler(), { maxRecords: 1 });
      await consumer.step();
      world.log.cut(T, 0, 2n);
      await consumer.step();
      await consumer.step();
      expect(consumer.problem?.()).toContain("GAP");
      expect(await effects(world.db)).toBe("a1");
      expect(world.log.subscriptions).toBe(0);
      const again = await started();
      await again.step();
      expect(again.problem?.()).toContain("GAP");
    });

    test("a hole inside the log stops the consumer, unless the handler declares gaps", async () => {
      append("a1");
      world.log.skip(T, 0);
      append("a2");
      const consumer = await started();
      for (let steps = 0; steps < 8; steps += 1) await consumer.step();
      expect(consumer.problem?.()).toContain("GAP");
      expect(await effects(world.db)).toBe("a1");
      await (await started(tallyHandler({ gaps: true }))).step();
      expect(await effects(world.db)).toBe("a1 a2");
      expect(await next()).toBe(3n);
    });

    test("another log, or a log made anew, is refused", async () => {
      append("a1", "a2");
      await (await started()).step();
      world.log.rename("log-2");
      const other = await started();
      await other.step();
      expect(other.problem?.()).toContain("All of Kafka is gone");
      world.renewLog();
      append("b1");
      const shorter = await started();
      await shorter.step();
      expect(shorter.problem?.()).toContain("All of Kafka is gone");
      expect(await effects(world.db)).toBe("a1 a2");
    });

    test("an end that was read before another owner went on is no other log", async () => {
      append("a1", "a2");
      await (await started()).step();
      const late: typeof world.log = {
        ...world.log,
        subscribe: (options) =>
          world.log.subscribe({
            ...options,
            startAt: (topic, partition, ends, lastDone) =>
              options.startAt(topic, partition, { ...ends, end: 1n }, lastDone),
          }),
      };
      const consumer = await started(tallyHandler(), { log: late });
      append("a3");
      await consumer.step();
      expect(consumer.problem?.()).toBeUndefined();
      expect(await effects(world.db)).toBe("a1 a2 a3");
    });

    test("redrive keeps what went through before a hiccup", async () => {
      await world.poison("a");
      append("a1:poison", "a2", "a3:hiccup", "a4");
      await (await started()).step();
      await world.cure();
      const redrive = world.redriver();
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1 a2");
      expect(await parkedNotes(world.db)).toBe("2a:waiting:0 3a:waiting:0");
      await expect(redrive.step()).rejects.toThrow("a hiccup");
    });

    test("a missing table stops the consumer and parks nothing", async () => {
      append("a1", "b1:no-table");
      const consumer = await started();
      await consumer.step();
      await consumer.step();
      expect(consumer.problem?.()).toContain("nowhere");
      expect(await parkedNotes(world.db)).toBe("");
      expect(world.log.subscriptions).toBe(0);
    });

    test("many failing alike stop the consumer; the batch in hand is not parked", async () => {
      for (let i = 0; i < 30; i += 1) append(`k${i}x1:terminal`);
      const consumer = await started(tallyHandler(), { maxRecords: 30 });
      await consumer.step();
      expect(consumer.problem?.()).toBeUndefined();
      for (let i = 30; i < 60; i += 1) append(`k${i}x1:terminal`);
      await consumer.step();
      expect(consumer.problem?.()).toContain("fail alike");
      expect((await parkedNotes(world.db)).split(" ")).toHaveLength(30);
      expect(await next()).toBe(30n);
    });

    test("a message that ends the process three times is found and set aside", async () => {
      append("a1", "a2", "b1", "a3");
      /** The process dies with a2 in hand: nothing after the call ever runs. */
      const deadly = tallyHandler({
        before: (notes) => {
          if (notes.some(({ id }) => id === "a2")) throw new Error("process died");
        },
      });
      for (let starts = 0; starts < 6; starts += 1) {
        const consumer = await started(deadly);
        for (let steps = 0; steps < 6; steps += 1) await consumer.step();
      }
      expect(await effects(world.db)).toBe("a1 b1");
      expect(await parkedNotes(world.db)).toBe("1a:dead:1 3a:waiting:0");
      const [copy] = await outboxRows();
      expect(copy?.headers["dlq-error-message"]).toContain("CRASH");
    });

    test("stops in order do not count as crashes", async () => {
      append("a1:hiccup", "b1");
      for (let starts = 0; starts < 6; starts += 1) {
        const consumer = await started();
        await consumer.step();
        await consumer.stop?.();
      }
      const [row] = await world.db.sql`SELECT crashes, suspect FROM tally.consumer_cursor`;
      expect(row).toEqual({ crashes: 0, suspect: null });
    });

    test("a lost member ends the process", async () => {
      const lost = {
        ...world.log,
        subscribe: () => ({ ...world.log.subscribe({} as never), state: () => "lost" as const }),
      };
      const consumer = createConsumer({ ...world.common(tallyHandler()), log: lost });
      await consumer.start?.();
      await expect(consumer.step()).rejects.toBeInstanceOf(WorkerLostError);
    });
  });
}
