import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { createEscrow, fundedEscrow } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

const sale = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
};

test("I1: the same key and body meet the first outcome; another body is refused", async () => {
  const alice = app.as("alice", "buyer");
  const first = await alice.post("/v1/escrows", sale, { key: "once" });
  const again = await alice.post("/v1/escrows", sale, { key: "once" });
  expect(again.status).toBe(200);
  expect(again.body.commandId).toBe(first.body.commandId);
  expect(again.headers.get("Idempotent-Replay")).toBe("true");
  const other = await alice.post("/v1/escrows", { ...sale, sellerId: "carol" }, { key: "once" });
  expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_CONFLICT"]);
});

test("I1: a hundred at once under one key are one command", async () => {
  const alice = app.as("alice", "buyer");
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => alice.post("/v1/escrows", sale, { key: "crowd" })),
  );
  expect(new Set(answers.map(({ body }) => body.commandId)).size).toBe(1);
  const list = await alice.get("/v1/escrows?limit=200");
  const ids = list.body.items.map(({ escrowId }: { escrowId: string }) => escrowId);
  expect(ids.filter((id: string) => id === answers[0]?.body.escrowId)).toHaveLength(1);
});

test("A1: to a stranger an escrow looks as if it did not exist", async () => {
  const { escrowId } = await createEscrow(app);
  const mallory = app.as("mallory", "buyer");
  const [foreign, unknown] = await Promise.all([
    mallory.get(`/v1/escrows/${escrowId}`),
    mallory.get("/v1/escrows/esc_00000000000000000000000000000000"),
  ]);
  const { correlationId: _a, ...seen } = foreign.body;
  const { correlationId: _b, ...missing } = unknown.body;
  expect([foreign.status, seen]).toEqual([unknown.status, missing]);
  expect((await mallory.post(`/v1/escrows/${escrowId}/release`)).status).toBe(404);
  expect((await mallory.get("/v1/escrows")).body.items).toEqual([]);
});

test("A1: a service sees what it created, for whomever it acts, and nothing else", async () => {
  await createEscrow(app);
  const shop = app.as("shop", "service");
  const headers = { "On-Behalf-Of": "alice" };
  const made = await shop.post("/v1/escrows", sale, { headers });
  expect(made.status).toBe(200);
  const seen = await shop.get("/v1/escrows", headers);
  expect(seen.body.items.map(({ escrowId }: { escrowId: string }) => escrowId)).toEqual([
    made.body.escrowId,
  ]);
  const stranger = app.as("other-shop", "service");
  expect((await stranger.get("/v1/escrows", headers)).body.items).toEqual([]);
  expect((await stranger.get(`/v1/escrows/${made.body.escrowId}`, headers)).status).toBe(404);
  expect((await stranger.get(`/v1/commands/${made.body.commandId}`, headers)).body.seen).toBe(
    false,
  );
  expect((await stranger.get("/v1/parties/alice/balances", headers)).status).toBe(404);
  expect((await app.as("alice").get("/v1/parties/alice/balances")).status).toBe(200);
});

test("I8: a command made for another version is refused with 412", async () => {
  const { escrowId, alice } = await fundedEscrow(app);
  const path = `/v1/escrows/${escrowId}`;
  const current = (await alice.get(path)).headers.get("ETag") ?? "";
  const stale = await alice.post(`${path}/release`, {}, { headers: { "If-Match": '"1"' } });
  expect([stale.status, stale.body.code]).toEqual([412, "VERSION_MOVED"]);
  const fresh = await alice.post(`${path}/release`, {}, { headers: { "If-Match": current } });
  expect(fresh.status).toBe(200);
});

test("L8: a dry run says what would happen and writes nothing", async () => {
  const { escrowId, alice } = await fundedEscrow(app);
  const before = (await alice.get(`/v1/escrows/${escrowId}`)).body;
  const dry = await alice.post(`/v1/escrows/${escrowId}/release?dryRun=true`);
  expect(dry.status).toBe(200);
  expect(dry.body.wouldSucceed).toBe(true);
  expect(dry.body.events.length).toBeGreaterThan(0);
  expect(dry.body.providerCalls).toHaveLength(1);
  const proposed = await alice.post("/v1/escrows?dryRun=true", sale);
  for (const shown of [dry, proposed].map(({ body }) => JSON.stringify(body.events))) {
    expect(shown).not.toMatch(/ciphertext|keyId|principal|fingerprint/);
  }
  // The caller's own words are shown as he wrote them.
  expect(JSON.stringify(proposed.body.events)).toContain(`"title":"${sale.title}"`);
  const refused = await alice.post(`/v1/escrows/${escrowId}/refund?dryRun=true`);
  expect(refused.body).toMatchObject({
    wouldSucceed: false,
    rejection: { code: "NOT_THE_SELLER" },
  });
  await app.settle();
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body).toEqual(before);
});

test("L8: a misspelt dryRun is refused instead of carried out", async () => {
  const { escrowId, alice } = await createEscrow(app);
  const misspelt = await alice.post(`/v1/escrows/${escrowId}/cancel?dry_run=true`);
  expect([misspelt.status, misspelt.body.field]).toEqual([422, "dry_run"]);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.state).toBe("PROPOSED");
});

test("P4: terms that name a provider this server has not are refused", async () => {
  const asked = { ...sale, terms: { provider: "stripe" } };
  const { status, body } = await app.as("alice").post("/v1/escrows", asked);
  expect([status, body.code, body.field]).toEqual([422, "PROVIDER_UNSUPPORTED", "terms.provider"]);
});

test("Q1: pages follow a cursor, newest first, and repeat nothing", async () => {
  const dora = app.as("dora", "buyer");
  for (let n = 0; n < 5; n++) await dora.post("/v1/escrows", { ...sale, buyerId: "dora" });
  const seen: string[] = [];
  let next: string | null = "";
  while (next !== null) {
    const page = await dora.get(`/v1/escrows?limit=2${next === "" ? "" : `&cursor=${next}`}`);
    seen.push(...page.body.items.map(({ escrowId }: { escrowId: string }) => escrowId));
    next = page.body.next;
  }
  expect(seen).toHaveLength(5);
  expect(new Set(seen).size).toBe(5);
  const forged = await dora.get("/v1/escrows?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  expect([forged.status, forged.body.field]).toEqual([422, "cursor"]);
});
