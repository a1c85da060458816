// A5: what people write is readable by those who may, and by nobody once its writer was erased.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { createKeyring } from "#platform/sealing/keyring";
import type { Stores } from "../../src/stores.ts";
import { memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { acceptedEscrow, pay, type Sale } from "../support/sale.ts";
import { keepingLogger, spilledIn, spilledInto } from "../support/spill.ts";

const { logger, lines } = keepingLogger();
let stores: Stores;
let db: Database;
let app: TestApp;
beforeAll(async () => {
  stores = await memoryStores();
  db = stores.databases.platform;
  app = await startAppOn(stores, {}, logger);
});
afterAll(() => app.stop());

const canaries = {
  title: "Kanarienvogel-title",
  description: "Kanarienvogel-description",
  milestone: "Kanarienvogel-milestone",
  note: "Kanarienvogel-note",
  evidence: "Kanarienvogel-evidence",
  dispute: "Kanarienvogel-dispute",
  withdrawn: "Kanarienvogel-behind",
  resolve: "Kanarienvogel-resolve",
  release: "Kanarienvogel-release",
  refund: "Kanarienvogel-refund",
  email: "kanarienvogel@example.org",
  name: "Kanarienvogel Alice",
  query: "Kanarienvogel-query",
};
const words = Object.values(canaries);

const root = () => app.as("root", "admin");

async function put(subject: string, path: string, body: object, ...roles: string[]) {
  return app.as(subject, ...roles).put(path, body);
}

/** A whole deal between alice and bob, every field of which holds a word. */
async function wordySale(): Promise<Sale> {
  const profile = { email: canaries.email, name: canaries.name, country: "DE" };
  expect((await put("alice", "/v1/parties/alice", profile)).status).toBe(200);
  expect((await put("bob", "/v1/parties/bob", profile)).status).toBe(200);
  const sale = await acceptedEscrow(app, {
    title: canaries.title,
    description: canaries.description,
    milestones: [{ milestoneId: "m1", title: canaries.milestone, amount: "10000" }],
    reference: "readable-reference",
  });
  await pay(sale);
  await app.settle();
  const path = `/v1/escrows/${sale.escrowId}`;
  // One waits for its second operator for good, the other comes through.
  expect((await root().post(`${path}/refund`, { reason: canaries.refund })).status).toBe(202);
  const steps = [
    await sale.alice.post(`${path}/release`, { amount: "1000", reason: canaries.release }),
    await sale.bob.post(`${path}/deliver`, { note: canaries.note }),
    await sale.alice.post(`${path}/dispute`, { reason: canaries.dispute, milestoneId: "m1" }),
    await sale.alice.post(`${path}/evidence`, { text: canaries.evidence }),
    await root().post(`${path}/resolve`, {
      buyer: "4000",
      seller: "5000",
      milestoneId: "m1",
      reason: canaries.resolve,
    }),
  ];
  expect(steps.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  await app.settle();
  expect((await sale.alice.get(path)).body.state).toBe("CLOSED");
  return sale;
}

async function shownTo(sale: Sale): Promise<string> {
  const path = `/v1/escrows/${sale.escrowId}`;
  const answers = await Promise.all(
    [sale.alice, sale.bob, root(), app.as("eve", "auditor")].flatMap((client) => [
      client.get(path),
      client.get(`${path}/timeline`),
      client.get("/v1/escrows"),
    ]),
  );
  return JSON.stringify(answers.map(({ body }) => body));
}

test("pitfall 42, A5: no word of a sale is readable in tables, topics, dead letters, logs or metrics", async () => {
  const sale = await wordySale();
  const shown = spilledIn(await shownTo(sale), words);
  expect(shown).toContain(canaries.title);
  expect(shown).toContain(canaries.evidence);
  expect(shown).toContain(canaries.release);

  // One message nobody can read sets the escrow's key aside; what is written next is parked behind.
  const key = sale.escrowId;
  const producer = app.server.log.createProducer();
  const value = Buffer.from([0xff, 0xff]);
  const headers = { "message-id": "poison", "message-type": "poison" };
  await producer.send([{ topic: "escrow.commands.v1", key, value, headers }]);
  await producer.close();
  const behind = { text: canaries.withdrawn };
  await sale.alice.post(`/v1/escrows/${key}/evidence`, behind, { wait: false });
  await sale.alice.get(`/v1/escrows?q=${canaries.query}`);
  await sale.alice.get(`/v1/nothing-here?q=${canaries.query}`);
  await until(async () => {
    const rows = await db.sql`SELECT off FROM escrow.parked WHERE key = ${key}`;
    const dead = await db.sql`SELECT 1 AS one FROM projections.parked WHERE key = ${key}`;
    return rows.length >= 2 && dead.length >= 2;
  });

  expect(await spilledInto(db, words)).toEqual([]);
  expect(spilledIn(lines.join("\n"), words)).toEqual([]);
  const metrics = await (await fetch(`${app.url}/metrics`)).text();
  expect(spilledIn(metrics, words)).toEqual([]);
  // That the search finds what is there: in text, in bytes of the topics, in the log.
  const readable = await spilledInto(db, ["readable-reference", sale.escrowId]);
  expect(readable).toContain("projections.escrow_view: readable-reference");
  expect(readable.some((place) => place.startsWith("log.") && place.includes("readable"))).toBe(
    true,
  );
  expect(readable).toContain(`escrow.parked: ${sale.escrowId}`);
  expect(lines.join("\n")).toContain(sale.escrowId);
});

test("A5, pitfall 43: erased, a party's words are nowhere; amounts, hashes and proofs stay", async () => {
  const fresh = await memoryStores();
  const second = await startAppOn(fresh, {}, logger);
  app = await swap(second);
  const sale = await wordySale();
  const path = `/v1/escrows/${sale.escrowId}`;
  const before = (await sale.bob.get(path)).body;
  for (const partyId of ["alice", "bob", "root"]) {
    const erased = await root().delete(`/v1/parties/${partyId}/personal-data`);
    expect([erased.status, erased.body]).toEqual([200, { partyId, erased: true, known: true }]);
  }
  expect(spilledIn(await shownTo(sale), words)).toEqual([]);
  const after = (await sale.bob.get(path)).body;
  expect(after).toMatchObject({ state: "CLOSED", title: "", termsHash: before.termsHash });
  expect(after.funds).toEqual(before.funds);
  const { items } = (await sale.bob.get(`${path}/timeline`)).body;
  const wrote = items.filter(({ erased }: { erased: boolean }) => erased);
  expect(wrote.length).toBeGreaterThan(3);
  expect(wrote.every(({ text }: { text: string }) => text === "")).toBe(true);

  // Nor do the rows open for whoever has the data key.
  const platform = fresh.databases.platform;
  const keyring = createKeyring({ db: platform, dataKey: Buffer.alloc(32, 7) });
  const [profile] = await platform.sql<{ key_id: string; ciphertext: Uint8Array }>`
    SELECT key_id, ciphertext FROM payments.party WHERE party_id = 'alice'`;
  const { key_id: keyId = "", ciphertext = new Uint8Array() } = profile ?? {};
  const $typeName = "escrow.v1.SealedText" as const;
  expect(await keyring.open({ $typeName, subject: "alice", keyId, ciphertext })).toBeUndefined();

  await root().post("/v1/operations/rebuild");
  expect((await sale.bob.get(path)).body).toEqual(after);
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  // Whoever comes back has a key of his own again.
  expect((await acceptedEscrow(app, { title: "back" })).escrowId).toStartWith("esc_");
});

test("A5: nobody is forgotten while a deal of his is open, however young it is", async () => {
  const found: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    const buyerId = `young${n}`;
    const terms = { buyerId, sellerId: "bob", title: "as shown" };
    const amount = { amount: "10000", currency: "USD" };
    const order = { ...terms, amount };
    const created = await app.as(buyerId, "buyer").post("/v1/escrows", order, { wait: false });
    expect(created.status).toBe(202);
    const erased = await root().delete(`/v1/parties/${buyerId}/personal-data`);
    found.push(`${erased.status} ${erased.body.code} ${erased.body.escrowId}`);
    expect(found.at(-1)).toBe(`409 ESCROW_OPEN ${created.body.escrowId}`);
  }
});

test("A5, pitfall 43: an open deal and a legal hold win over an erasure", async () => {
  const { alice, escrowId } = await acceptedEscrow(app, { buyerId: "alice", title: "held" });
  const erase = () => root().delete("/v1/parties/alice/personal-data");
  const open = await erase();
  expect([open.status, open.body.code]).toEqual([409, "ESCROW_OPEN"]);
  expect((await root().delete("/v1/parties/bob/personal-data")).status).toBe(409);
  for (const { escrowId: id } of (await alice.get("/v1/escrows?state=AWAIT_FUNDS")).body.items) {
    expect((await alice.post(`/v1/escrows/${id}/cancel`)).status).toBe(200);
  }
  await app.settle();
  const hold = "/v1/parties/alice/legal-hold";
  expect((await put("root", hold, { reference: "case-17" }, "admin")).status).toBe(200);
  const held = await erase();
  expect([held.status, held.body.code]).toEqual([409, "LEGAL_HOLD"]);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.title).toBe("held");
  expect((await root().delete(hold)).status).toBe(200);
  expect((await root().delete(hold)).status).toBe(404);
  expect((await erase()).status).toBe(200);
  expect((await alice.get(`/v1/escrows/${escrowId}`)).body.title).toBe("");
});

test("A1: nobody but an admin erases or holds, himself neither", async () => {
  for (const client of [
    app.as("alice", "buyer"),
    app.as("eve", "auditor"),
    app.as("s", "service"),
  ]) {
    expect((await client.delete("/v1/parties/alice/personal-data")).status).toBe(403);
    expect((await client.delete("/v1/parties/alice/legal-hold")).status).toBe(403);
    const hold = await client.put("/v1/parties/alice/legal-hold", { reference: "x" });
    expect(hold.status).toBe(403);
  }
});

async function swap(next: TestApp): Promise<TestApp> {
  await app.stop();
  return next;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    if (await done()) return;
    await Bun.sleep(50);
  }
  throw new Error("it did not come");
}
