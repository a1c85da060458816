/** Rows the log refused, as operators send them again: what is named is what was moved. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { RetryHeldRequestSchema } from "#gen/platform/v1/operations_pb";
import { SqlName } from "#platform/database/database";
import { createHeldDesk, type HeldDeskOptions } from "../../src/dead-letters/held-desk.ts";
import { listHeld, retryHeld } from "../../src/modules/outbox/index.ts";
import type { Databases, MessagingSchema, Stores } from "../../src/stores.ts";
import { memoryStores } from "../support/app.ts";

setDefaultTimeout(60_000);

let stores: Stores;
beforeEach(async () => {
  stores = await memoryStores();
});
afterEach(() => stores.close());

const ann = { issuer: "app", subject: "ann", roles: ["admin"] };

function desk(changes: Partial<HeldDeskOptions> = {}) {
  const { databases } = stores;
  return createHeldDesk({ databases, listHeld, retryHeld, wake: () => undefined, ...changes });
}

async function hold(
  databases: Databases,
  count: number,
  schema: MessagingSchema = "escrow",
): Promise<string[]> {
  const rows = await databases[schema].sql<{ pos: bigint }>`
    INSERT INTO ${new SqlName(schema, "outbox_held")}
      (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, error)
    SELECT nextval(${`${schema}.outbox_pos`}::regclass), 0, 'held-' || n, 't', 'k', 'test', '', '{}',
      clock_timestamp(), 'too large' FROM generate_series(1, ${count}::int) n RETURNING pos`;
  return rows.map(({ pos }) => `${schema}/${pos}`);
}

const noted = () => stores.databases.escrow.sql`SELECT off FROM escrow.letter_action ORDER BY off`;
const wish = (fields: { ids?: string[]; all?: boolean; dryRun?: boolean; limit?: number }) =>
  create(RetryHeldRequestSchema, { ...fields, reason: "INC-1" });

test("a row that went meanwhile is neither named nor written down", async () => {
  const { databases } = stores;
  const [first = "", second = "", third = ""] = await hold(databases, 3);
  const gone = BigInt(second.slice("escrow/".length));
  const meanwhile: typeof listHeld = async (db, schema, options) => {
    const rows = await listHeld(db, schema, options);
    await databases.escrow.sql`DELETE FROM escrow.outbox_held WHERE pos = ${gone}`;
    return rows;
  };
  const done = await desk({ listHeld: meanwhile }).retry(wish({ all: true }), ann);
  expect(done).toEqual({ status: "retrying", rows: 2, ids: [first, third], leftOut: 1 });
  expect((await noted()).map(({ off }) => `escrow/${off}`)).toEqual([first, third]);
});

test("a row that is named is found, however many are held before it", async () => {
  const ids = await hold(stores.databases, 1_001);
  const last = ids.at(-1) ?? "";
  const asked = [last, "escrow/999999", "elsewhere/1"];
  const dry = await desk().retry(wish({ ids: asked, dryRun: true }), ann);
  expect(dry).toEqual({ status: "dry_run", rows: 1, ids: [last], leftOut: 2 });
  expect(await noted()).toEqual([]);
  const done = await desk().retry(wish({ ids: asked }), ann);
  expect(done).toEqual({ status: "retrying", rows: 1, ids: [last], leftOut: 2 });
  expect((await desk().list(1_000)).items).toHaveLength(1_000);
});

test("a limit counts the rows of all schemas, the oldest first", async () => {
  const { databases } = stores;
  const payments = await hold(databases, 2, "payments");
  const escrow = await hold(databases, 3);
  const oldest = [...payments, ...escrow.slice(0, 1)];
  const some = wish({ all: true, limit: 3, dryRun: true });
  expect((await desk().retry(some, ann)).ids).toEqual(oldest);
  const done = await desk().retry(wish({ all: true, limit: 3 }), ann);
  expect({ ...done, ids: [...done.ids].sort() }).toEqual({
    status: "retrying",
    rows: 3,
    ids: oldest.toSorted(),
    leftOut: 0,
  });
  expect((await desk().list(10)).items.map(({ id }) => id)).toEqual(escrow.slice(1));
});

test("all that is sent again at once are 1,000 of all schemas together", async () => {
  await hold(stores.databases, 600, "payments");
  await hold(stores.databases, 600);
  const { rows, leftOut } = await desk().retry(wish({ all: true, dryRun: true }), ann);
  expect({ rows, leftOut }).toEqual({ rows: 1_000, leftOut: 0 });
});
