/** What the database itself refuses, whoever writes: the last line of the books' defence. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Database, Tx } from "#platform/database/database";
import { violatedConstraint } from "#platform/database/database-error";
import { failure } from "../../../../test/support/databases.ts";
import {
  createPaymentsWorld,
  openPaymentsDatabase,
  type PaymentsWorld,
} from "../../../../test/support/payments.ts";
import { createDeals } from "../../../../test/support/payments-deals.ts";
import { verifyLedger } from "./verify.ts";

// A database of its own takes seconds to make on a busy machine.
setDefaultTimeout(60_000);

let db: Database;
let world: PaymentsWorld;
let escrowNo: bigint;

beforeAll(async () => {
  db = await openPaymentsDatabase();
  world = createPaymentsWorld(db);
  const escrowId = await createDeals(world, db).funded();
  const [row] = await db.sql<{ escrow_no: bigint }>`
    SELECT escrow_no FROM payments.payment WHERE escrow_id = ${escrowId}`;
  escrowNo = row?.escrow_no ?? 0n;
});
afterAll(() => db.close());

type Line = readonly [line: number, account: string, currency: string, amount: bigint];

async function post(tx: Tx, number: bigint, lines: readonly Line[], head = true): Promise<void> {
  if (head) {
    await tx.sql`
      INSERT INTO payments.ledger_transaction
      VALUES (${escrowNo}, ${number}, 'esc_1', 'test', 'ref', now())`;
  }
  await tx.sql`
    INSERT INTO payments.entry
    SELECT ${escrowNo}::bigint, ${number}::bigint, l, a, '', c, m
    FROM unnest(${lines.map(([line]) => line)}::smallint[],
      ${lines.map(([, account]) => account)}::text[],
      ${lines.map(([, , currency]) => currency)}::text[],
      ${lines.map(([, , , amount]) => amount)}::bigint[]) AS n(l, a, c, m)`;
}

const refused = async (work: (tx: Tx) => Promise<unknown>): Promise<string | undefined> => {
  const error = await failure(db.withTx(work));
  const named = /entry_balances|entry_whole|append_only|balances_have_entries|payment_conserves/;
  return violatedConstraint(error) ?? named.exec(JSON.stringify(error) + String(error.cause))?.[0];
};

describe("G1, pitfall 1: the database refuses", () => {
  test("a ledger transaction that does not balance", async () => {
    const lines: Line[] = [
      [1, "held", "USD", 100n],
      [2, "reserved", "USD", -99n],
    ];
    expect(await refused((tx) => post(tx, 900n, lines))).toBe("entry_balances");
  });

  test("one that balances only across currencies", async () => {
    const lines: Line[] = [
      [1, "held", "USD", 100n],
      [2, "reserved", "EUR", -100n],
    ];
    expect(await refused((tx) => post(tx, 901n, lines))).toBe("entry_balances");
  });

  test("entries without a head, and entries added to a transaction that stands", async () => {
    const lines: Line[] = [
      [1, "clearing", "USD", 100n],
      [2, "suspense", "USD", -100n],
    ];
    expect(await refused((tx) => post(tx, 902n, lines, false))).toBe("entry_whole");
    const more: Line[] = [
      [7, "clearing", "USD", 100n],
      [8, "suspense", "USD", -100n],
    ];
    const [standing] = await db.sql<{ number: bigint }>`
      SELECT number FROM payments.ledger_transaction WHERE escrow_no = ${escrowNo} LIMIT 1`;
    const number = standing?.number ?? 0n;
    expect(await refused((tx) => post(tx, number, more, false))).toBe("entry_whole");
  });

  test("changing or deleting what was booked or said", async () => {
    const attempts: ((tx: Tx) => Promise<unknown>)[] = [
      (tx) => tx.sql`UPDATE payments.entry SET amount = amount + 1`,
      (tx) => tx.sql`DELETE FROM payments.entry`,
      (tx) => tx.sql`UPDATE payments.ledger_transaction SET reason = 'other'`,
      (tx) => tx.sql`DELETE FROM payments.history`,
      (tx) => tx.script("TRUNCATE payments.entry"),
    ];
    for (const attempt of attempts) expect(await refused(attempt)).toBe("append_only");
  });

  test("balances that move without entries", async () => {
    const reserve = (tx: Tx) => tx.sql`
      UPDATE payments.payment SET held = held - 1, reserved = reserved + 1
      WHERE escrow_no = ${escrowNo}`;
    expect(await refused(reserve)).toBe("balances_have_entries");
  });

  test("a payment that has released money nobody paid in", async () => {
    const mint = (tx: Tx) => tx.sql`
      UPDATE payments.payment SET released = released + 1 WHERE escrow_no = ${escrowNo}`;
    expect(await refused(mint)).toBe("payment_conserves");
  });

  test("and the proof names what was forced in all the same", async () => {
    expect((await verifyLedger(db)).violations).toEqual([]);
    await db.script("ALTER TABLE payments.entry DISABLE TRIGGER ALL");
    await db.withTx((tx) => post(tx, 990n, [[1, "held", "USD", -5n]]));
    const { violations } = await verifyLedger(db);
    expect(violations.map(({ check }) => check).sort()).toEqual(["agrees", "balanced"]);
    await db.sql`INSERT INTO payments.seller_debt VALUES ('bob', 'USD', 7)`;
    const debt = (await verifyLedger(db)).violations.find(({ check }) => check === "debt");
    expect(debt).toMatchObject({ where: "bob", detail: "7 here, 0 in the entries" });
  });
});
