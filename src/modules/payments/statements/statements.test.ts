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

interface Statement {
  readonly opening: readonly { account: string; currency: string; balance: string }[];
  readonly lines: readonly { at: string; account: string; escrowId: string; amount: string }[];
  readonly closing: Statement["opening"];
  readonly next: string | null;
}

let db: Database;
let world: PaymentsWorld;
let first = "";
/** Between the funding of the first and all that came later. */
let noon: Date;

beforeAll(async () => {
  db = await openPaymentsDatabase();
  world = createPaymentsWorld(db);
  const deals = createDeals(world, db);
  first = await deals.funded();
  await world.clock.advance(3_600_000);
  noon = world.clock.now();
  await world.clock.advance(3_600_000);
  await deals.funded({ buyerId: "carol", sellerId: "dave" });
  await world.handle(transfer(first, "rel-1", 6_000n), refund(first, "ref-1", 4_000n, 128n));
  await world.settle();
  await world.clock.advance(1);
});
afterAll(async () => {
  await db.close();
});

const auditor = { as: "audrey", roles: ["auditor"] };

async function statement(query: string, who: object = auditor): Promise<Statement> {
  const answer = await world.call("GET", `/v1/statements?${query}`, who);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Statement;
}

async function patience(): Promise<void> {
  for (let second = 0; second < 10; second += 1) {
    await Bun.sleep(5);
    await world.clock.advance(1_000);
  }
}

const kindOf = (account: string) => account.replace(/^escrow:[^:]+:/, "escrow:*:");

/** By account and currency; escrows' accounts by kind. */
function sums(rows: readonly { account: string; balance?: string; amount?: string }[]) {
  const found = new Map<string, bigint>();
  for (const { account, balance, amount } of rows) {
    const name = kindOf(account);
    found.set(name, (found.get(name) ?? 0n) + BigInt(balance ?? amount ?? "0"));
  }
  return found;
}

function expectToTie({ opening, lines, closing }: Statement): void {
  const [before, moved, after] = [sums(opening), sums(lines), sums(closing)];
  expect(moved.size).toBeGreaterThan(1);
  for (const account of new Set([...before.keys(), ...moved.keys(), ...after.keys()])) {
    const expected = (before.get(account) ?? 0n) + (moved.get(account) ?? 0n);
    expect(`${account} ${after.get(account) ?? 0n}`).toBe(`${account} ${expected}`);
  }
}

describe("G9: statements", () => {
  test("opening, lines and closing tie, of an escrow, a party and all books, from any instant", async () => {
    for (const scope of [`escrow=${first}`, "party=bob", "party=carol", ""]) {
      expectToTie(await statement(scope));
      if (scope !== "party=carol")
        expectToTie(await statement(`${scope}&from=${noon.toISOString()}`));
    }
    const afternoon = await statement(`escrow=${first}&from=${noon.toISOString()}`);
    expect(sums(afternoon.opening).get("escrow:*:held")).toBe(-10_000n);
    expect(sums(afternoon.closing).get("escrow:*:held")).toBe(0n);
  });

  test("all books close at the trial balance, and the lines of the whole sum to nothing", async () => {
    const { closing, lines } = await statement("");
    const answer = await world.call("GET", "/v1/ledger/trial-balance", auditor);
    const trial = (await answer.json()) as {
      currencies: Record<string, { accounts: Record<string, string> }>;
    };
    const accounts = Object.entries(trial.currencies.USD?.accounts ?? {});
    const named = accounts.map(([name, sum]) => [
      name.replace(/^escrow:/, "escrow:*:"),
      BigInt(sum),
    ]);
    expect([...sums(closing)].sort()).toEqual(named.sort() as [string, bigint][]);
    expect(lines.reduce((sum, { amount }) => sum + BigInt(amount), 0n)).toBe(0n);
  });

  test("operators see the platform's side too, others nothing", async () => {
    const whole = await statement(`escrow=${first}`);
    expect(whole.lines.some(({ account }) => account === "clearing:sandbox")).toBe(true);
    const refused = [
      [`escrow=${first}`, "carol", 404],
      ["party=alice", "carol", 404],
      ["", "alice", 403],
      [`escrow=${first}&party=alice`, "alice", 422],
      [`escrow=${first}&from=yesterday`, "alice", 422],
      [`escrow=${first}&format=xml`, "alice", 422],
      ["party=alice&view=mine", "alice", 422],
    ] as const;
    for (const [query, as, status] of refused) {
      const asked = world.call("GET", `/v1/statements?${query}`, { as });
      // Who asks for what he may not see is answered as late as if it did not exist yet.
      const [answer] = await Promise.all([asked, patience()]);
      expect([query, answer.status]).toEqual([query, status]);
    }
  });

  test("the CSV says the same as the JSON", async () => {
    const answer = await world.call("GET", "/v1/statements?format=csv", auditor);
    expect(answer.headers.get("Content-Type")).toContain("text/csv");
    const [head, ...rows] = (await answer.text()).trim().split("\n");
    expect(head).toBe("kind,at,transactionId,escrowId,account,reason,reference,currency,amount");
    const { lines, closing } = await statement("");
    const amounts = (kind: string) =>
      rows.flatMap((row) => (row.startsWith(`${kind},`) ? [row.split(",").at(-1)] : []));
    expect(amounts("line")).toEqual(lines.map(({ amount }) => amount));
    expect(amounts("closing")).toEqual(closing.map(({ balance }) => balance));
  });
});

describe("G4: the books as of an instant", () => {
  test("an escrow's balances and the trial balance are what they were", async () => {
    const path = `/v1/escrows/${first}/ledger?as_of=${noon.toISOString()}`;
    const then = (await (await world.call("GET", path, auditor)).json()) as {
      balances: Record<string, string>;
      postings: unknown[];
    };
    expect(then.balances[`escrow:${first}:held`]).toBe("10000");
    const path2 = `/v1/ledger/trial-balance?as_of=${noon.toISOString()}`;
    const trial = (await (await world.call("GET", path2, auditor)).json()) as {
      currencies: { USD: { accounts: Record<string, string>; sum: string } };
    };
    expect(trial.currencies.USD).toMatchObject({
      accounts: { "clearing:sandbox": "9991", "escrow:held": "-10000" },
      sum: "0",
    });
    const bad = await world.call("GET", "/v1/ledger/trial-balance?as_of=then", auditor);
    expect(bad.status).toBe(422);
  });
});
