/** What a party reads of his money, and that it ties to the books. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "#platform/database/database";
import {
  createPaymentsWorld,
  openPaymentsDatabase,
  type PaymentsWorld,
  refund,
  transfer,
} from "../../../../test/support/payments.ts";
import { createDeals } from "../../../../test/support/payments-deals.ts";

setDefaultTimeout(60_000);

interface Line {
  readonly at: string;
  readonly escrowId: string;
  readonly role: string;
  readonly what: string;
  readonly currency: string;
  readonly inYourFavour: string;
}

interface Statement {
  readonly party: string;
  readonly opening: readonly { currency: string; inYourFavour: string }[];
  readonly lines: readonly Line[];
  readonly closing: Statement["opening"];
  readonly next: string | null;
}

let db: Database;
let world: PaymentsWorld;
let [first, second, third] = ["", "", ""];
let noon: Date;

beforeAll(async () => {
  db = await openPaymentsDatabase();
  world = createPaymentsWorld(db);
  const deals = createDeals(world, db);
  const method = { as: "bob", body: { provider: "sandbox" }, key: "bobs" };
  expect((await world.call("POST", "/v1/parties/bob/payout-methods", method)).status).toBe(201);
  // Two sales by Bob: one in parts, one that a bank takes back after the payout.
  first = await deals.funded();
  second = await deals.funded({ buyerId: "carol" });
  await world.clock.advance(3_600_000);
  noon = world.clock.now();
  await world.handle(transfer(first, "rel-1", 6_000n), refund(first, "ref-1", 4_000n, 128n));
  await world.handle(transfer(second, "rel-2", 10_000n));
  await world.settle();
  // So that nothing can be taken back from him.
  await played("/sandbox/parties/bob/payout", { amount: "15900" }, { as: "bob" });
  const [payment] = await db.sql<{ id: string }>`
    SELECT payment_id AS id FROM payments.payment WHERE escrow_id = ${second}`;
  await played(`/sandbox/payments/${payment?.id}/dispute`, { amount: "4000" });
  // What he owes is kept of his next sale; and Dave has nothing to do with any of it.
  third = await deals.funded({ buyerId: "alice" });
  await world.handle(transfer(third, "rel-3", 10_000n));
  await deals.funded({ buyerId: "carol", sellerId: "dave" });
  await world.settle();
  await world.clock.advance(1);
});
afterAll(async () => {
  await db.close();
});

const root = { as: "root", roles: ["admin"] };

async function played(path: string, body: object, who: object = root): Promise<void> {
  const answer = await world.call("POST", path, { ...who, body });
  expect(answer.status).toBe(202);
  await world.settle();
}

async function statement(query: string, as: string, roles: string[] = []): Promise<Statement> {
  const answer = await world.call("GET", `/v1/statements?${query}`, { as, roles });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Statement;
}

const words = ({ lines }: Statement) => lines.map(({ what, inYourFavour }) => [what, inYourFavour]);
const balance = (rows: Statement["opening"]) => rows.map(({ inYourFavour }) => inYourFavour);
const sum = (amounts: readonly string[]) => amounts.reduce((all, each) => all + BigInt(each), 0n);

describe("G9: a party's statement", () => {
  test("tells a buyer what he paid in, what it cost, what went to the seller and what came back", async () => {
    const hers = await statement(`escrow=${first}`, "alice");
    expect(words(hers)).toEqual([
      ["deposit", "10320"],
      ["fee", "-320"],
      ["fee_returned", "128"],
      ["release", "-6000"],
      ["refund", "-4128"],
    ]);
    expect(hers).toMatchObject({
      party: "alice",
      opening: [{ currency: "USD", inYourFavour: "0" }],
    });
    expect(balance(hers.closing)).toEqual(["0"]);
    expect(hers.lines[0]).toMatchObject({ escrowId: first, role: "buyer", currency: "USD" });
  });

  test("tells a seller what was released, what it cost, what he was paid", async () => {
    const his = await statement(`escrow=${first}`, "bob");
    expect(words(his)).toEqual([
      ["release", "6000"],
      ["payout", "-5950"],
      ["fee", "-50"],
    ]);
    const nothing = [{ currency: "USD", inYourFavour: "0" }];
    expect(his).toMatchObject({ opening: nothing, closing: nothing });
  });

  test("G7: tells a seller what a bank took of him, and what was kept of a release against it", async () => {
    const taken = await statement(`escrow=${second}`, "bob");
    // What the one sale lost the other repaid: both are over, and each closes at nothing.
    expect(words(taken).slice(-2)).toEqual([
      ["chargeback", "-4000"],
      ["netted", "4000"],
    ]);
    expect(taken.lines.at(-1)).toMatchObject({ escrowId: third });
    expect(balance(taken.closing)).toEqual(["0"]);
    const netted = await statement(`escrow=${third}`, "bob");
    expect(words(netted)).toEqual([
      ["release", "4000"],
      ["netted", "-4000"],
      ["release", "6000"],
      ["payout", "-5950"],
      ["fee", "-50"],
    ]);
    expect(balance(netted.closing)).toEqual(["0"]);
    const all = await statement("party=bob", "bob");
    const sales = await Promise.all(
      [first, second, third].map((escrow) => statement(`escrow=${escrow}`, "bob")),
    );
    expect(sum(sales.flatMap(({ closing }) => balance(closing)))).toBe(sum(balance(all.closing)));
    expect(balance(all.closing)).toEqual(["0"]);
    expect(new Set(all.lines.map(({ role }) => role))).toEqual(new Set(["seller"]));
    // His buyer is told of the release, not of his debt.
    expect(words(await statement(`escrow=${third}`, "alice")).slice(2)).toEqual([
      ["release", "-4000"],
      ["release", "-6000"],
    ]);
  });

  test("opening, lines and closing tie, from any instant, and the balances are the ledger's", async () => {
    for (const party of ["alice", "bob", "carol", "dave"]) {
      for (const from of [new Date(0), noon]) {
        const shown = await statement(`party=${party}&from=${from.toISOString()}`, party);
        const moved = sum(shown.lines.map(({ inYourFavour }) => inYourFavour));
        const [opening, closing] = [sum(balance(shown.opening)), sum(balance(shown.closing))];
        expect([party, opening + moved]).toEqual([party, closing]);
        const [booked] = await db.sql<{ sum: bigint }>`
          SELECT coalesce(-sum(e.amount), 0)::bigint AS sum
          FROM payments.entry e JOIN payments.payment p USING (escrow_no)
          WHERE (e.account IN ('pending', 'held', 'reserved', 'blocked') AND p.buyer_id = ${party})
            OR (e.account IN ('seller_debt', 'seller_payable') AND e.owner = ${party})`;
        expect([party, closing]).toEqual([party, booked?.sum ?? 0n]);
      }
    }
    expect(balance((await statement("party=carol", "carol")).closing)).toEqual(["10000"]);
  });

  test("the CSV says the same as the JSON, under names that say the sign", async () => {
    const answer = await world.call("GET", "/v1/statements?party=bob&format=csv", { as: "bob" });
    const [head, ...rows] = (await answer.text()).trim().split("\n");
    expect(head).toBe("kind,at,escrowId,role,what,currency,inYourFavour,reference,transactionId");
    const amounts = (kind: string) =>
      rows.flatMap((row) => (row.startsWith(`${kind},`) ? [row.split(",")[6]] : []));
    const json = await statement("party=bob", "bob");
    expect(amounts("line")).toEqual(json.lines.map(({ inYourFavour }) => inYourFavour));
    expect([...amounts("opening"), ...amounts("closing")]).toEqual(["0", "0"]);
    // From the beginning: no day to name.
    expect(rows[0]).toStartWith("opening,,");
    expect(rows.at(-1)).toMatch(/^closing,20\d\d-/);
  });

  test("a party is found by any id that a token can name", async () => {
    for (const party of ["dora@shop.example", "urn:party:dora", "d".repeat(128)]) {
      expect(await statement(`party=${party}`, party)).toMatchObject({ party, lines: [] });
    }
    const tooLong = { as: "root", roles: ["admin"] };
    const path = `/v1/statements?party=${"d".repeat(129)}`;
    expect((await world.call("GET", path, tooLong)).status).toBe(404);
  });

  test("operators read the ledger, and on demand what the party reads", async () => {
    const shown = await statement("party=bob&view=party", "audrey", ["auditor"]);
    expect(shown).toEqual(await statement("party=bob", "bob"));
    const ledger = await statement("party=bob", "audrey", ["auditor"]);
    expect(JSON.stringify(ledger.lines)).toContain("clearing:sandbox");
  });
});
