// An amendment is whole terms: what the client left out is what stands, parties included.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Terms } from "#gen/escrow/v1/types_pb";
import { createWorld, openDatabase, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = createWorld(await openDatabase());
  await world.escrow("esc_1", { buyerId: "alice", sellerId: "bob" });
});
afterAll(() => world.db.close());

async function amend(body: object): Promise<Terms> {
  expect((await world.call("POST", "/v1/escrows/esc_1/amend", { body })).status).toBe(202);
  const said = world.published.at(-1)?.body;
  if (said?.case !== "amendTerms" || !said.value.terms) throw new Error("no terms were published");
  return said.value.terms;
}

test("a new deadline leaves everything else as it is", async () => {
  const terms = await amend({ terms: { autoRelease: "P14D" } });
  expect(terms).toMatchObject({ buyerId: "alice", sellerId: "bob", provider: "sandbox" });
  expect([terms.autoRelease, terms.fundingDeadline]).toEqual(["P14D", "PT72H"]);
  expect(terms.amount).toMatchObject({ amount: 10_000n, currency: "USD" });
  expect(terms.milestones.map(({ milestoneId, amount }) => [milestoneId, amount])).toEqual([
    ["m1", 10_000n],
  ]);
  expect(terms.title).toBeUndefined();
});

test("an only milestone follows a new amount, and keeps its title", async () => {
  const terms = await amend({ amount: "12000" });
  expect(terms.amount).toMatchObject({ amount: 12_000n, currency: "USD" });
  expect(terms.milestones).toMatchObject([{ amount: 12_000n, title: { keyId: "k" } }]);
});

test("milestones that were sent replace the old ones; a known one keeps its title", async () => {
  const milestones = [
    { milestoneId: "m1", amount: "4000" },
    { milestoneId: "m2", amount: "6000", title: "rest" },
  ];
  const terms = await amend({ milestones });
  expect(terms.milestones.map(({ amount }) => amount)).toEqual([4_000n, 6_000n]);
  expect(terms.milestones[0]?.title?.keyId).toBe("k");
  expect(terms.milestones[1]?.title?.subject).toBe("alice");
});

test("a currency that was named goes to the decider, who refuses another", async () => {
  const terms = await amend({ amount: { amount: "12000", currency: "EUR" } });
  expect(terms.amount?.currency).toBe("EUR");
});

test("naming proposed terms by their hash sends no terms", async () => {
  const body = { termsHash: "b".repeat(64) };
  await world.call("POST", "/v1/escrows/esc_1/amend", { body });
  const said = world.published.at(-1)?.body;
  if (said?.case !== "amendTerms") throw new Error("nothing was published");
  expect([said.value.terms, said.value.termsHash]).toEqual([undefined, body.termsHash]);
});
