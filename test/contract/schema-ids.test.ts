/** The ids under which a process sends: asked for at its start, and kept for starts without a registry. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { SystemicError } from "#platform/errors";
import { ensureSchemas } from "#platform/schemas/ensure-schemas";
import { createKeptIds } from "#platform/schemas/kept-ids";
import { readProtoFile } from "#platform/schemas/proto-files";
import { createSchemaRegistry, type SchemaRegistry } from "#platform/schemas/registry";
import { createSchemaIds, type SchemaIds } from "#platform/schemas/schema-ids";
import { type Subject, subjectsOf } from "#platform/schemas/subjects";
import { silentLogger } from "#platform/telemetry/logger";
import { WorkerLostError } from "#platform/workers/worker-lost-error";
import { topics } from "#topics";
import { adapters, type FreshDatabase } from "../support/databases.ts";
import { createLogSchema } from "../support/logs.ts";
import { type FakeRegistry, startFakeRegistry } from "../support/schema-registry.ts";

const written = [topics.escrowEvents, topics.paymentsEvents];
const subjects = await subjectsOf({
  topics: written,
  nameOf: (name) => name,
  read: readProtoFile,
});
const newer: readonly Subject[] = subjects.map((one) => ({ ...one, text: `${one.text}//\n` }));

for (const adapter of adapters) {
  describe(`schema ids in ${adapter.name}`, () => {
    let fresh: FreshDatabase;
    let db: Database;
    let fake: FakeRegistry;
    let registry: SchemaRegistry;
    beforeAll(async () => {
      fresh = await adapter.open();
      db = fresh.db;
      await createLogSchema(db, "log");
    }, 60_000);
    afterAll(async () => fresh.drop(), 60_000);
    beforeEach(() => {
      fake?.stop();
      fake = startFakeRegistry();
      registry = createSchemaRegistry({ url: fake.url });
    });
    afterAll(() => fake.stop());

    /** As a process that starts. */
    const start = (wanted = subjects): SchemaIds =>
      createSchemaIds({
        registry,
        kept: createKeptIds(db),
        subjects: async () => wanted,
        logger: silentLogger,
      });
    const idsOf = (ids: SchemaIds) => written.map(({ name }) => ids.idOf(name));

    test("K1: asked for once; a message asks nobody", async () => {
      await ensureSchemas(registry, subjects);
      const ids = start();
      await ids.prepare();
      const found = written.map(({ name }) => fake.subjects.get(`${name}-value`)?.[0]?.id);
      expect(idsOf(ids)).toEqual(found);
      const asked = fake.asked.length;
      for (let n = 0; n < 100; n += 1) ids.idOf("escrow.events.v1");
      await ids.worker.step();
      expect(fake.asked.length).toBe(asked);
      expect(ids.worker.problem?.()).toBeUndefined();
    });

    test("bad input: a registry that is down: the ids of the last start serve, and it is healthy", async () => {
      await ensureSchemas(registry, subjects);
      const before = start();
      await before.prepare();
      fake.stop();
      const after = start();
      await after.prepare();
      expect(idsOf(after)).toEqual(idsOf(before));
      expect(idsOf(after)).not.toContain(undefined);
      expect(after.worker.problem?.()).toBeUndefined();
    });

    test("bad input: down at the first start: nothing to send with, told, and found when it is back", async () => {
      await ensureSchemas(registry, subjects);
      fake.stop();
      const ids = start();
      await ids.prepare();
      expect(idsOf(ids)).toEqual([undefined, undefined]);
      expect(ids.worker.problem?.()).toContain(`the schema registry at ${fake.url} cannot be used`);
      await ids.worker.step();
      expect(idsOf(ids)).toEqual([undefined, undefined]);
      fake.start();
      await ids.worker.step();
      expect(idsOf(ids)).not.toContain(undefined);
      expect(ids.worker.problem?.()).toBeUndefined();
    });

    test("K2: ids of another version, or of another registry, do not serve", async () => {
      await ensureSchemas(registry, subjects);
      await start().prepare();
      fake.stop();
      const upgraded = start(newer);
      await upgraded.prepare();
      expect(idsOf(upgraded)).toEqual([undefined, undefined]);
      registry = createSchemaRegistry({ url: "http://127.0.0.1:1" });
      const moved = start();
      await moved.prepare();
      expect(idsOf(moved)).toEqual([undefined, undefined]);
    });

    test("K2: two versions of the program have each its own", async () => {
      await ensureSchemas(registry, subjects);
      await ensureSchemas(registry, newer);
      const [old, upgraded] = [start(), start(newer)];
      await old.prepare();
      await upgraded.prepare();
      fake.stop();
      const [oldAgain, upgradedAgain] = [start(), start(newer)];
      await oldAgain.prepare();
      await upgradedAgain.prepare();
      expect(idsOf(oldAgain)).toEqual(idsOf(old));
      expect(idsOf(upgradedAgain)).toEqual(idsOf(upgraded));
      expect(idsOf(old)).not.toEqual(idsOf(upgraded));
    });

    test("what the registry says now wins over what it said before", async () => {
      await ensureSchemas(registry, subjects);
      await start().prepare();
      fake.wipe();
      await registry.register("other", { text: "first", references: [] });
      await ensureSchemas(registry, subjects);
      const ids = start();
      await ids.prepare();
      expect(idsOf(ids)).toEqual(
        written.map(({ name }) => fake.subjects.get(`${name}-value`)?.[0]?.id),
      );
      fake.stop();
      const again = start();
      await again.prepare();
      expect(idsOf(again)).toEqual(idsOf(ids));
    });

    test("a process that writes nothing asks nobody", async () => {
      fake.stop();
      const ids = start([]);
      await ids.prepare();
      expect(ids.worker.problem?.()).toBeUndefined();
      expect(fake.asked).toEqual([]);
    });

    test("K1: a schema that is not registered is refused, with the remedy", async () => {
      const refused = start().prepare();
      expect(await refused.catch((error: unknown) => error)).toBeInstanceOf(SystemicError);
      await expect(refused).rejects.toThrow(
        "the schema registry lacks this version of buf/validate/validate.proto, escrow/v1/types.proto, escrow.events.v1-value, payments.events.v1-value: run `app topics`",
      );
    });

    test("K1: the same found later ends the process", async () => {
      fake.stop();
      const ids = start();
      await ids.prepare();
      fake.start();
      const stepped = ids.worker.step();
      expect(await stepped.catch((error: unknown) => error)).toBeInstanceOf(WorkerLostError);
    });
  });
}
