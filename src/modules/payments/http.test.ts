/** The routes of payments: who sees what, and what they answer. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "#platform/database/database";
import { namesOf, openPayment, type PaymentsWorld } from "../../../test/support/payments.ts";
import { type Deals, openDeals } from "../../../test/support/payments-deals.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let deals: Deals;

beforeAll(async () => {
  ({ db, world, deals } = await openDeals());
});
afterAll(() => db.close());

/** A 404 waits a second for the row; the clock that stands still is moved meanwhile. */
async function patiently(answer: Promise<Response>): Promise<Response> {
  let done = false;
  const settled = answer.finally(() => {
    done = true;
  });
  while (!done) {
    await Bun.sleep(1);
    await world.clock.advance(100);
  }
  return settled;
}

const get = (path: string, as: string, roles: string[] = [], onBehalfOf?: string) =>
  patiently(world.call("GET", path, { as, roles, ...(onBehalfOf && { onBehalfOf }) }));

describe("GET /v1/escrows/:id/payment", () => {
  test("shows the buyer what to pay", async () => {
    const escrowId = await deals.open();
    const answer = await get(`/v1/escrows/${escrowId}/payment`, "alice");
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      provider: "sandbox",
      status: "REQUIRES_PAYMENT",
      amount: { amount: "10320", currency: "USD" },
      received: "0",
      clientSecret: expect.stringContaining("_secret"),
    });
  });

  test("before the provider has it there is nothing to do yet, and paying is told to come again", async () => {
    await world.handle(openPayment("esc_early"));
    const answer = await get("/v1/escrows/esc_early/payment", "alice");
    const { paymentId, status, nextAction } = (await answer.json()) as Record<string, string>;
    expect({ status, nextAction }).toEqual({ status: "REQUIRES_PAYMENT", nextAction: undefined });
    const path = `/sandbox/payments/${paymentId}/pay`;
    const early = await patiently(world.call("POST", path, { as: "alice", body: {} }));
    expect(early.status).toBe(503);
    expect(early.headers.get("Retry-After")).toBe("1");
    await world.settle();
    const later = await get("/v1/escrows/esc_early/payment", "alice");
    expect(await later.json()).toMatchObject({ nextAction: "PAY" });
  });

  test("A1, pitfall 41: is 404 for everyone else", async () => {
    const escrowId = await deals.open();
    const path = `/v1/escrows/${escrowId}/payment`;
    expect((await get(path, "bob")).status).toBe(404);
    expect((await get(path, "mallory")).status).toBe(404);
    expect((await get(path, "root", ["admin"])).status).toBe(404);
    expect((await get("/v1/escrows/esc_unknown/payment", "alice")).status).toBe(404);
    expect((await get("/v1/escrows/%2e%2e/payment", "alice")).status).toBe(404);
  });

  test("a service sees it for a member of an escrow it created, of no other", async () => {
    const ours = await deals.open({ serviceId: "shop" });
    const other = await deals.open();
    const as = ["shop", ["service"], "alice"] as const;
    expect((await get(`/v1/escrows/${ours}/payment`, as[0], [...as[1]], as[2])).status).toBe(200);
    expect((await get(`/v1/escrows/${other}/payment`, as[0], [...as[1]], as[2])).status).toBe(404);
  });
});

describe("POST /v1/escrows/:id/payment", () => {
  test("is a command with the same id for the same key", async () => {
    const escrowId = await deals.open();
    const path = `/v1/escrows/${escrowId}/payment`;
    const body = { returnUrl: "https://shop.example/back", mode: "elements" };
    const first = await world.call("POST", path, { body, key: "k-1" });
    expect(first.status).toBe(202);
    const { commandId } = (await first.json()) as { commandId: string };
    const second = await world.call("POST", path, { body, key: "k-1" });
    expect(await second.json()).toMatchObject({ commandId, status: "pending" });
    await world.settle();
    const names = namesOf(await world.events(escrowId));
    expect(names.filter((name) => name === "paymentCommandSucceeded")).toHaveLength(1);
  });

  test("refuses a body that says more, and a scheme that is no web address", async () => {
    const path = `/v1/escrows/${await deals.open()}/payment`;
    for (const body of [{ buyerId: "x" }, { returnUrl: "javascript:alert(1)" }, { mode: "x" }]) {
      expect((await world.call("POST", path, { body })).status).toBe(422);
    }
  });
});

describe("the ledger's routes", () => {
  test("a party sees the escrow's own accounts, an auditor all", async () => {
    const escrowId = await deals.funded();
    const path = `/v1/escrows/${escrowId}/ledger`;
    const own = (await (await get(path, "bob")).json()) as {
      postings: { reason: string }[];
      balances: Record<string, string>;
    };
    expect(own.balances).toEqual({
      [`escrow:${escrowId}:held`]: "10000",
      [`escrow:${escrowId}:pending`]: "0",
    });
    expect(own.postings.map(({ reason }) => reason)).not.toContain("provider_fee");
    const all = (await (await get(path, "eva", ["auditor"])).json()) as typeof own;
    expect(all.postings.map(({ reason }) => reason)).toContain("provider_fee");
    expect((await get(path, "mallory")).status).toBe(404);
  });

  test("the trial balance is zero, and for auditors and admins", async () => {
    const answer = await get("/v1/ledger/trial-balance", "eva", ["auditor"]);
    const balance = (await answer.json()) as {
      currencies: { USD: { sum: string; accounts: Record<string, string> } };
      violations: number;
    };
    expect(balance.violations).toBe(0);
    expect(balance.currencies.USD.sum).toBe("0");
    expect(balance.currencies.USD.accounts["escrow:held"]).toBe("-10000");
    expect((await get("/v1/ledger/trial-balance", "alice")).status).toBe(403);
  });
});

describe("parties", () => {
  test("C3: a profile is sealed, and only its own party or an operator may write it", async () => {
    const body = { email: "zoe@example.org", name: "Zoe", country: "DE" };
    const path = "/v1/parties/zoe";
    expect((await world.call("PUT", path, { as: "zoe", body })).status).toBe(200);
    expect((await world.call("PUT", path, { as: "mallory", body })).status).toBe(404);
    expect(
      (await world.call("PUT", path, { as: "zoe", body: { country: "Germany" } })).status,
    ).toBe(422);
    const [row] = await db.sql<{ ciphertext: Uint8Array }>`
      SELECT ciphertext FROM payments.party WHERE party_id = 'zoe'`;
    expect(Buffer.from(row?.ciphertext ?? []).includes("zoe@example.org")).toBe(false);
  });

  describe("and a service", () => {
    const body = { provider: "sandbox" };
    const roles = ["service"];
    const profile = { name: "N" };
    const as = (subject: string, method: string, path: string, sent?: object) =>
      world.call(method, path, { as: subject, roles, ...(sent && { body: sent }) });
    const methods = (partyId: string) => `/v1/parties/${partyId}/payout-methods`;

    test("C3: one that has nothing to do with a party sees and changes nothing of it", async () => {
      await world.call("PUT", "/v1/parties/nora", { as: "nora", body: profile });
      await world.call("POST", methods("nora"), { as: "nora", body });
      const tries = [
        ["PUT", "/v1/parties/nora", profile],
        ["POST", methods("nora"), body],
        ["GET", methods("nora"), undefined],
        ["POST", "/sandbox/parties/nora/readiness", { ready: false }],
      ] as const;
      for (const [method, path, sent] of tries) {
        expect([path, (await as("evil", method, path, sent)).status]).toEqual([path, 404]);
        const onBehalf = { as: "evil", roles, onBehalfOf: "nora", ...(sent && { body: sent }) };
        expect([path, (await world.call(method, path, onBehalf)).status]).toEqual([path, 404]);
      }
    });

    test("acts for a party it registered, as others do not", async () => {
      expect((await as("market", "POST", methods("olga"), body)).status).toBe(404);
      expect((await as("market", "PUT", "/v1/parties/olga", profile)).status).toBe(200);
      const made = await as("market", "POST", methods("olga"), body);
      expect(made.status).toBe(201);
      const again = await as("market", "POST", methods("olga"), body);
      expect(await again.json()).toEqual(await made.json());
      expect((await as("evil", "PUT", "/v1/parties/olga", profile)).status).toBe(404);
      expect((await as("market", "PUT", "/v1/parties/olga", profile)).status).toBe(200);
      expect((await as("evil", "GET", methods("olga"))).status).toBe(404);
      const readiness = "/sandbox/parties/olga/readiness";
      expect((await as("evil", "POST", readiness, { ready: false })).status).toBe(404);
      expect((await as("market", "POST", readiness, { ready: true })).status).toBe(202);
    });

    test("has methods of its own for members of escrows it created, and sees no others", async () => {
      await deals.open({ sellerId: "pia", serviceId: "market" });
      await deals.open({ sellerId: "quinn" });
      await world.call("POST", methods("pia"), { as: "pia", body });
      expect(await (await as("market", "GET", methods("pia"))).json()).toEqual({ items: [] });
      const made = await as("market", "POST", methods("pia"), body);
      expect(made.status).toBe(201);
      const { payoutMethodId } = (await made.json()) as { payoutMethodId: string };
      expect(await (await as("market", "GET", methods("pia"))).json()).toMatchObject({
        items: [{ payoutMethodId }],
      });
      const own = (await (await get(methods("pia"), "pia")).json()) as { items: unknown[] };
      expect(own.items).toHaveLength(2);
      expect((await as("market", "PUT", "/v1/parties/quinn", profile)).status).toBe(404);
      expect((await as("market", "GET", methods("quinn"))).status).toBe(404);
    });
  });

  test("a bank is played only where there is a payout method, and money; else the answer says so", async () => {
    const played = async (what: string, body: object, as = "zora") =>
      (await (await world.call("POST", `/sandbox/parties/zora/${what}`, { as, body })).json()) as {
        readonly code: string;
        readonly detail: string;
      };
    const required = {
      code: "PAYOUT_METHOD_REQUIRED",
      detail: expect.stringContaining("There is no payout method of zora at the sandbox"),
      status: 409,
    };
    expect(await played("payout", { amount: "100" })).toMatchObject(required);
    expect(await played("readiness", { ready: true })).toMatchObject(required);
    expect((await played("payout", { amount: "100" }, "mallory")).code).toBe("NOT_FOUND");
    const body = { provider: "sandbox" };
    await world.call("POST", "/v1/parties/zora/payout-methods", { as: "zora", body });
    expect(await played("payout", {})).toMatchObject({ code: "NOTHING_TO_PAY_OUT", status: 409 });
    expect(await played("payout", { amount: "100" })).toMatchObject({ status: "accepted" });
  });

  test("a payout method is ready at once in the sandbox, and made once", async () => {
    const path = "/v1/parties/yan/payout-methods";
    const body = { provider: "sandbox" };
    const first = await world.call("POST", path, { as: "yan", body });
    expect(first.status).toBe(201);
    const method = await first.json();
    expect(method).toMatchObject({ status: "READY", requirementsDue: [] });
    expect(await (await world.call("POST", path, { as: "yan", body })).json()).toEqual(method);
    expect(await (await get(path, "yan")).json()).toEqual({ items: [method] });
    expect((await get(path, "mallory")).status).toBe(404);
    const unknown = await world.call("POST", path, { as: "yan", body: { provider: "other" } });
    expect(unknown.status).toBe(422);
  });
});

describe("POST /sandbox/payments/:id/pay", () => {
  test("is for those who know the payment, and takes amounts as strings only", async () => {
    const escrowId = await deals.open();
    const { paymentId } = (await (
      await get(`/v1/escrows/${escrowId}/payment`, "alice")
    ).json()) as {
      paymentId: string;
    };
    const path = `/sandbox/payments/${paymentId}/pay`;
    const pay = (as: string, body: unknown) => patiently(world.call("POST", path, { as, body }));
    expect((await pay("mallory", {})).status).toBe(404);
    const auditor = await world.call("POST", path, { as: "eva", roles: ["auditor"], body: {} });
    expect(auditor.status).toBe(403);
    for (const amount of [100, "0", "-5", "1e3", "0x10", " 5", "99999999999999999"]) {
      expect((await pay("alice", { amount })).status).toBe(422);
    }
    expect((await pay("alice", { outcome: "steal" })).status).toBe(422);
    expect((await pay("bob", {})).status).toBe(403);
    expect((await pay("alice", { amount: "10320" })).status).toBe(202);
  });

  test("takes no money twice: what is paid is paid again, or declined, by nobody's mistake", async () => {
    const escrowId = await deals.funded();
    const shown = await (await get(`/v1/escrows/${escrowId}/payment`, "alice")).json();
    const path = `/sandbox/payments/${(shown as { paymentId: string }).paymentId}/pay`;
    const pay = (body: unknown) => world.call("POST", path, { as: "alice", body });
    for (const body of [{}, { outcome: "decline" }, { outcome: "processing" }]) {
      const answer = await pay(body);
      expect(answer.status).toBe(409);
      expect(await answer.json()).toMatchObject({ code: "ALREADY_FUNDED" });
    }
    expect((await pay({ amount: "100" })).status).toBe(202);
  });
});
