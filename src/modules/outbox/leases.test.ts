import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import { freshPglite } from "../../../test/support/databases.ts";
import { createModuleSchema } from "../../../test/support/outbox.ts";
import { createLeases, type Leases } from "./leases.ts";

const schema = "escrow";
const clock = createManualClock();
const leaseMs = 5_000;
let db: Database;

beforeAll(async () => {
  db = await freshPglite();
  await createModuleSchema(db, schema);
}, 60_000);
afterAll(() => db.close());
beforeEach(() => db.script("TRUNCATE escrow.outbox_lease"));

test("one relay has every shard; those that join get their share; nobody shares a shard", async () => {
  const [one, two, three] = [leasesOf("one"), leasesOf("two"), leasesOf("three")];
  await keepAll(one);
  expect(counts(one)).toEqual([16]);
  await keepAll(one, two);
  expect(counts(one, two)).toEqual([8, 8]);
  await keepAll(one, two, three);
  expect(counts(one, two, three)).toEqual([6, 6, 4]);
  const all = [one, two, three].flatMap((leases) => leases.held().map(({ shard }) => shard));
  expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, shard) => shard));
});

test("a relay that stops leaves its shards at once", async () => {
  const [one, two] = [leasesOf("one"), leasesOf("two")];
  await keepAll(one, two);
  await one.release();
  expect(counts(one, two)).toEqual([0, 8]);
  await keepAll(two);
  expect(counts(two)).toEqual([16]);
});

test("a relay that died loses its shards when its leases end, and their tokens rise", async () => {
  const [dead, other] = [leasesOf("dead"), leasesOf("other")];
  await keepAll(dead);
  await keepAll(other);
  expect(counts(other)).toEqual([0]);
  const before = new Map(dead.held().map(({ shard, token }) => [shard, token]));
  await db.script("UPDATE escrow.outbox_lease SET until = '-infinity' WHERE owner = 'dead'");
  await keepAll(other);
  expect(counts(other)).toEqual([16]);
  for (const { shard, token } of other.held()) expect(token).toBe((before.get(shard) ?? 0n) + 1n);
});

test("is safe until shortly before the lease ends, and not after", async () => {
  const leases = leasesOf("one");
  expect(leases.safe()).toBe(false);
  await leases.keep();
  expect(leases.safe()).toBe(true);
  await clock.advance(leaseMs * 0.7);
  expect(leases.safe()).toBe(false);
  await leases.keep();
  expect(leases.safe()).toBe(true);
});

test("a relay beyond the sixteenth waits, and has its turn when one leaves", async () => {
  const crowd = Array.from({ length: 17 }, (_, n) => leasesOf(`relay-${n}`));
  await keepAll(...crowd);
  expect(counts(...crowd).toSorted()).toEqual([0, ...Array.from({ length: 16 }, () => 1)]);
  const spare = crowd.find((leases) => leases.held().length === 0);
  await crowd[0]?.release();
  await keepAll(...crowd.slice(1));
  expect(spare?.held()).toHaveLength(1);
});

function leasesOf(owner: string): Leases {
  return createLeases({ db, schema, owner, clock, leaseMs });
}

/** Long enough for each to see what the others gave back. */
async function keepAll(...crowd: readonly Leases[]): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    for (const leases of crowd) await leases.keep();
    await clock.advance(leaseMs * 0.31);
  }
}

function counts(...crowd: readonly Leases[]): number[] {
  return crowd.map((leases) => leases.held().length);
}
