/** The outbox's statement, held against both databases. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { CommandSchema } from "#gen/escrow/v1/commands_pb";
import { EventSchema } from "#gen/escrow/v1/events_pb";
import { createManualClock } from "#platform/clock-manual";
import { type Database, SqlName } from "#platform/database/database";
import { SystemicError, TerminalError } from "#platform/errors";
import type { NewRecord } from "#platform/messaging/event-log";
import { assertOutboxSequence, createOutbox } from "#platform/messaging/outbox";
import { shardOf } from "#platform/messaging/partition";
import { topics } from "#topics";
import { adapters } from "../support/databases.ts";
import { createModuleSchema, message, waiting } from "../support/outbox.ts";

const schema = "escrow";
const table = new SqlName(schema, "outbox");
const outbox = createOutbox({
  schema,
  writer: "escrow",
  producerName: "test",
  clock: createManualClock(),
});

describe.each([...adapters])("the outbox in $name", ({ open }) => {
  let db: Database;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    ({ db, drop } = await open());
    await createModuleSchema(db, schema);
  }, 60_000);
  afterAll(() => drop());

  const put = (records: readonly NewRecord[]): Promise<void> =>
    db.withTx((tx) => outbox.enqueueRaw(tx, records));

  test("positions rise in the order of the array, however many and however wide", async () => {
    await put(
      Array.from({ length: 5_000 }, (_, n) =>
        message("t.v1", `key-${(n * 7919) % 5_000}`, `${n}:${"x".repeat(n % 200)}`),
      ),
    );
    const rows = await db.sql<{ payload: Uint8Array }>`SELECT payload FROM ${table} ORDER BY pos`;
    const numbers = rows.map(({ payload }) =>
      Number(Buffer.from(payload).toString().split(":")[0]),
    );
    expect(numbers).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
    await db.script("TRUNCATE escrow.outbox");
  });

  test("a message comes back as it went in", async () => {
    const odd: NewRecord = {
      topic: "t.v1",
      key: 'kéy "with" \\ , {odd} NULL',
      value: new Uint8Array([0, 255, 39, 92]),
      headers: { "message-id": "id'1", "message-type": "a.B", extra: '"ünï\\' },
    };
    await put([odd]);
    const [row] = await db.sql`
      SELECT shard, id, aggregatetype, aggregateid, type, payload, headers FROM ${table}`;
    expect(row).toEqual({
      shard: shardOf(odd.key),
      id: "id'1",
      aggregatetype: "t.v1",
      aggregateid: odd.key,
      type: "a.B",
      payload: odd.value,
      headers: odd.headers,
    });
    await db.script("TRUNCATE escrow.outbox");
  });

  test("refuses a topic another module writes, and what no log takes, before writing anything", async () => {
    const command = create(CommandSchema, {
      escrowId: "e",
      commandId: "c".repeat(64),
      actor: { id: "alice" },
      body: { case: "cancelEscrow", value: {} },
    });
    const base = { correlationId: "", causationId: "" };
    const own = {
      ...base,
      topic: topics.escrowEvents,
      message: create(EventSchema, { escrowId: "e" }),
    };
    const shared = { ...base, topic: topics.escrowCommands, message: command };
    const foreign = { ...base, topic: topics.paymentsEvents, message: command };
    await expect(db.withTx((tx) => outbox.enqueue(tx, [own, foreign]))).rejects.toThrow(
      TerminalError,
    );
    const large = message("t.v1", "k", "x".repeat(930_000));
    await expect(put([large])).rejects.toThrow(TerminalError);
    expect(await waiting(db, schema)).toBe(0);
    await db.withTx((tx) => outbox.enqueue(tx, [own, shared]));
    expect(await waiting(db, schema)).toBe(2);
    await db.script("TRUNCATE escrow.outbox");
  });

  test("a sequence with a cache is refused: two sessions would invert positions", async () => {
    await assertOutboxSequence(db, schema);
    await db.script("ALTER SEQUENCE escrow.outbox_pos CACHE 20");
    await expect(assertOutboxSequence(db, schema)).rejects.toThrow(SystemicError);
    await db.script("ALTER SEQUENCE escrow.outbox_pos CACHE 1");
    await expect(assertOutboxSequence(db, "nowhere")).rejects.toThrow(SystemicError);
  });
});
