import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { silentLogger } from "#platform/telemetry/logger";
import {
  createPaymentsWorld,
  openPaymentsDatabase,
  type PaymentsWorld,
} from "../../../../test/support/payments.ts";
import { createDeals } from "../../../../test/support/payments-deals.ts";
import { createConservation } from "./conservation.ts";

let db: Database;
let world: PaymentsWorld;

beforeEach(async () => {
  db = await openPaymentsDatabase();
  world = createPaymentsWorld(db);
});
afterEach(async () => {
  await db.close();
});

test("G3, pitfall 1, pitfall 39: a round over all escrows counts what is broken, and the cover", async () => {
  const deals = createDeals(world, db);
  const [escrowId] = [await deals.funded(), await deals.funded()];
  const { worker, last } = createConservation({ db, clock: world.clock, logger: silentLogger });
  const round = async () => {
    for (let step = 0; step < 3; step += 1) await worker.step();
    return last();
  };
  expect(last()).toBeUndefined();
  expect(await round()).toMatchObject({
    violations: 0,
    cover: [{ provider: "sandbox", currency: "USD", clearing: 19_982n, owed: 20_000n }],
  });
  // One escrow's money explained by another's: the sums agree, the escrows do not.
  await db.withTx(async (tx) => {
    await tx.script(`SET LOCAL session_replication_role = replica;
      UPDATE payments.payment SET held = held + 500, funded = funded + 500
      WHERE escrow_id = '${escrowId}';
      UPDATE payments.payment SET held = held - 500, funded = funded - 500
      WHERE escrow_id <> '${escrowId}'`);
  });
  expect(await round()).toMatchObject({ violations: 2 });
});
