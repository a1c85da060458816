// A small body must not become a large escrow: each milestone and reminder is a timer of its own.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createWorld, openDatabase, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = createWorld(await openDatabase());
  await world.escrow("esc_1", { buyerId: "alice", sellerId: "bob" });
});
afterAll(() => world.db.close());

const milestones = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ milestoneId: `m${i}`, amount: "100" }));
const reminders = (count: number) => Array.from({ length: count }, (_, i) => `PT${i + 1}H`);
const create = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A house",
  amount: { amount: "5000", currency: "USD" },
};

async function answerTo(path: string, body: object) {
  const before = world.published.length;
  const answer = await world.call("POST", path, { body });
  const { code, field } = (await answer.json()) as { code?: string; field?: string };
  return { status: answer.status, code, field, published: world.published.length - before };
}

const tooLarge = { status: 422, code: "TERMS_TOO_LARGE", published: 0 };

test("more than 50 milestones are 422 with their field", async () => {
  const body = { ...create, milestones: milestones(51) };
  expect(await answerTo("/v1/escrows", body)).toEqual({ ...tooLarge, field: "milestones" });
  const amendment = { milestones: milestones(51) };
  const amended = await answerTo("/v1/escrows/esc_1/amend", amendment);
  expect(amended).toEqual({ ...tooLarge, field: "milestones" });
});

test("more than 100 deadlines with their reminders are 422 with the field", async () => {
  const terms = { reminders: reminders(2) };
  const body = { ...create, milestones: milestones(50), terms };
  expect(await answerTo("/v1/escrows", body)).toEqual({ ...tooLarge, field: "terms.reminders" });
  expect((await answerTo("/v1/escrows", { ...body, terms: { reminders: ["P1D"] } })).status).toBe(
    202,
  );
});
