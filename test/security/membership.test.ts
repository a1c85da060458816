// Who the parties are is what the escrow's row says. A creation that was only accepted proves
// nothing: under one key two processes may have accepted two of them, and one became the escrow.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Actor_Kind, ActorSchema } from "#gen/escrow/v1/types_pb";
import type { PgliteDatabase } from "#platform/database/pglite";
import { createMembership } from "../../src/modules/escrow/membership.ts";
import { createWorld, openDatabase, type World } from "./world.ts";

let db: PgliteDatabase;
let world: World;

beforeAll(async () => {
  db = await openDatabase();
  world = createWorld(db);
});
afterAll(() => db.close());

function membershipAt() {
  let ms = 0;
  const sleep = async (forMs: number) => {
    ms += forMs;
  };
  return { sleep, membership: createMembership({ db, clock: { monotonicMs: () => ms, sleep } }) };
}

const user = (id: string) => create(ActorSchema, { kind: Actor_Kind.USER, id });
const parties = (sellerId: string) => ({
  buyerId: "alice",
  sellerId,
  createdBy: "alice",
  serviceId: "",
});

test("a second creation under the same key shuts nobody out of the escrow that is", async () => {
  const { membership } = membershipAt();
  await world.escrow("esc_key", parties("bob"));
  // This process never saw the first request, and took the second for a new one.
  membership.expect("esc_key", parties("mallory"));
  expect(await membership.standing("esc_key", user("bob"))).toBe("seller");
  expect(await membership.standing("esc_key", user("mallory"))).toBeUndefined();
});

test("what was expected before the row came is forgotten once it is there", async () => {
  const { membership } = membershipAt();
  membership.expect("esc_soon", parties("mallory"));
  expect(await membership.standing("esc_soon", user("mallory"))).toBe("seller");
  await world.escrow("esc_soon", parties("bob"));
  expect(await membership.standing("esc_soon", user("bob"))).toBe("seller");
  expect(await membership.standing("esc_soon", user("mallory"))).toBeUndefined();
});

test("an expectation that nothing came of lasts some seconds", async () => {
  const { membership, sleep } = membershipAt();
  membership.expect("esc_never", parties("bob"));
  expect(await membership.standing("esc_never", user("bob"))).toBe("seller");
  await sleep(10_000);
  expect(await membership.standing("esc_never", user("bob"))).toBeUndefined();
});

test("the same over HTTP: the second process accepts the conflict and still knows the seller", async () => {
  const second = createWorld(db);
  const body = {
    buyerId: "alice",
    sellerId: "mallory",
    title: "x",
    amount: { amount: "1", currency: "USD" },
  };
  const headers = { "Idempotency-Key": "shared" };
  const accepted = await second.call("POST", "/v1/escrows", { body, headers });
  const { escrowId } = (await accepted.json()) as { escrowId: string };
  await world.escrow(escrowId, parties("bob"));
  const deliver = `/v1/escrows/${escrowId}/deliver`;
  expect((await second.call("POST", deliver, { as: "bob" })).status).toBe(202);
  expect((await second.call("POST", deliver, { as: "mallory" })).status).toBe(404);
});
