/**
 * Disputes by number: 10000 USD, buyer's fee 320, seller's 50, 329 of 10320 kept by the provider,
 * 1500 for a dispute. After every step the books balance, nothing owed is negative, and the escrow's
 * own count, which only knows what it was told, is the ledger's.
 */
import { afterEach, describe, expect, test } from "bun:test";
import {
  type BankStoryOptions,
  createBankStory,
  createBooks,
  reinstated,
  taken,
} from "../../../../test/support/bank-story.ts";

import { lookOnly } from "./withdraw.ts";

const stories: ReturnType<typeof createBankStory>[] = [];

function story(options: BankStoryOptions = {}) {
  const made = createBankStory(options);
  stories.push(made);
  return made;
}

function funded(options: BankStoryOptions = {}) {
  const sale = story(options);
  sale.pay();
  return sale;
}

function released(options: BankStoryOptions = {}) {
  const sale = funded(options);
  sale.release("t1");
  sale.confirm("t1");
  return sale;
}

afterEach(() => {
  for (const sale of stories.splice(0)) expect(sale.counted()).toEqual(sale.funds());
});

describe("story 8: the bank takes what is held", () => {
  test("R2, pitfall 17: all of it is charged back, the dispute's own fee is the platform's", () => {
    const sale = funded();
    sale.bank({ movements: [taken(10_320n)] });
    expect(sale.funds()).toEqual({ funded: 10_320n, chargedBack: 10_320n });
    expect(sale.payment().frozen).toBe(true);
    expect(sale.balance("platform:provider_fees")).toBe(1_829n);
    expect(sale.balance("dispute:dp_1")).toBe(0n);
    sale.bank({ status: "lost", movements: [taken(10_320n)] });
    expect(sale.payment().frozen).toBe(false);
    expect(sale.said.filter((name) => name.startsWith("charge"))).toEqual([
      "chargebackOpened",
      "chargebackClosed",
    ]);
    expect(sale.operations().filter(({ kind }) => kind === "REFUND")).toEqual([]);
  });

  test("R4: won, it is all as before, the fee of the dispute too", () => {
    const sale = funded();
    const before = { ...sale.books.balances };
    sale.bank({ movements: [taken(10_320n)] });
    sale.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] });
    expect(sale.funds()).toEqual({ funded: 10_320n, held: 10_000n, fees: 320n });
    const { "dispute:dp_1": open, ...after } = sale.books.balances;
    expect(after).toEqual(before);
    expect([open, sale.payment().frozen]).toEqual([0n, false]);
  });

  test("pitfall 16: a movement twice is booked once; money that came back is no verdict", () => {
    const sale = funded();
    const both = [taken(10_320n), reinstated(10_320n)];
    sale.bank({ movements: both.slice(0, 1) });
    sale.bank({ movements: both });
    sale.bank({ movements: both });
    expect(sale.funds()).toEqual({ funded: 10_320n, held: 10_000n, fees: 320n });
    expect(sale.payment().frozen).toBe(true);
    sale.bank({ status: "lost", movements: both });
    expect(sale.payment().frozen).toBe(false);
  });

  test("pitfall 16: won and not back yet stays frozen, because the money is not there", () => {
    const sale = funded();
    sale.bank({ status: "won", movements: [taken(10_320n)] });
    expect(sale.payment().frozen).toBe(true);
    sale.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] });
    expect(sale.payment().frozen).toBe(false);
  });

  test("R6, pitfall 16: an inquiry moves nothing and freezes nothing until it escalates", () => {
    const sale = funded();
    sale.bank({ status: "inquiry" });
    expect([sale.payment().frozen, sale.said.at(-1)]).toEqual([false, "riskOpened"]);
    sale.bank({ status: "open", movements: [taken(10_320n)] });
    expect([sale.payment().frozen, sale.funds().chargedBack]).toEqual([true, 10_320n]);
    const other = funded();
    other.bank({ status: "inquiry" });
    other.bank({ status: "inquiry_closed" });
    expect(other.said.slice(-2)).toEqual(["riskOpened", "riskClosed"]);
    expect(other.funds()).toEqual({ funded: 10_320n, held: 10_000n, fees: 320n });
  });
});

describe("story 8p: a part", () => {
  test("R4: 4000 takes 124 of the fee and 3876 of what is held; the rest stays held", () => {
    const sale = funded();
    sale.bank({ amount: 4_000n, movements: [taken(4_000n)] });
    sale.bank({ amount: 4_000n, status: "lost", movements: [taken(4_000n)] });
    expect(sale.funds()).toEqual({
      funded: 10_320n,
      held: 6_124n,
      fees: 196n,
      chargedBack: 4_000n,
    });
  });

  test("R4: several add up to the whole, and a part that comes back leaves what the rest took", () => {
    const sale = funded();
    sale.bank({ amount: 4_000n, movements: [taken(4_000n)] });
    const second = { objectId: "dp_2", amount: 6_320n };
    sale.bank({ ...second, movements: [taken(6_320n, 0n)] });
    expect(sale.funds()).toEqual({ funded: 10_320n, chargedBack: 10_320n });
    sale.bank({ ...second, status: "won", movements: [taken(6_320n, 0n), reinstated(6_320n, 0n)] });
    expect([sale.payment().frozen, sale.funds().held]).toEqual([true, 6_124n]);
    sale.bank({ amount: 4_000n, movements: [taken(4_000n), reinstated(1_000n, 0n)] });
    expect(sale.funds()).toMatchObject({ held: 7_093n, fees: 227n, chargedBack: 3_000n });
  });
});

describe("story 8b: the transfer is under way", () => {
  function crossed(options: BankStoryOptions = {}) {
    const sale = funded(options);
    sale.release("t1");
    sale.sent("t1");
    sale.bank({ movements: [taken(10_320n)] });
    return sale;
  }

  test("R3: it succeeds, and the seller owes what he got", () => {
    const sale = crossed();
    expect(sale.funds()).toEqual({ funded: 10_320n, reserved: 10_000n, chargedBack: 320n });
    expect(sale.balance("dispute:dp_1")).toBe(10_000n);
    sale.bank({ status: "lost", movements: [taken(10_320n)] });
    expect(sale.payment().frozen).toBe(true);
    sale.confirm("t1");
    expect(sale.funds()).toEqual({
      funded: 10_320n,
      released: 9_950n,
      fees: 50n,
      chargedBack: 320n,
    });
    expect([sale.balance("seller:bob:debt"), sale.balance("platform:losses")]).toEqual([
      9_950n,
      50n,
    ]);
    expect([sale.balance("dispute:dp_1"), sale.payment().frozen]).toEqual([0n, false]);
  });

  test("R3: it does not, and what it had reserved is what the bank took", () => {
    const sale = crossed();
    sale.confirm("t1", "failed");
    expect(sale.funds()).toEqual({ funded: 10_320n, chargedBack: 10_320n });
    expect(sale.balance("seller:bob:debt")).toBe(0n);
  });

  test("R3: won meanwhile, nothing waits for it any more", () => {
    const sale = crossed();
    sale.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] });
    expect(sale.funds()).toEqual({ funded: 10_320n, reserved: 10_000n, fees: 320n });
    sale.confirm("t1");
    expect(sale.funds()).toEqual({ funded: 10_320n, released: 9_950n, fees: 370n });
  });

  test("R3: a call that may have happened is looked up, not made again", () => {
    const sale = funded();
    sale.release("t1");
    sale.sent("t1");
    const [operation] = sale.operations();
    if (operation) Object.assign(operation, { state: "UNKNOWN" });
    sale.bank({ movements: [taken(10_320n)] });
    expect(sale.operations()[0]).toMatchObject({ state: "LOOKUP", lookups: 0 });
  });
});

test("R3, pitfall 20: a call whose caller died is looked up while frozen, and repeated when it is not", () => {
  const sale = funded();
  sale.release("t1");
  sale.sent("t1");
  const [operation] = sale.operations();
  if (operation === undefined) throw new Error("no operation");
  expect(lookOnly(sale.payment(), operation)).toEqual(operation);
  sale.bank({ movements: [taken(10_320n)] });
  expect(lookOnly(sale.payment(), operation)).toMatchObject({ state: "LOOKUP", lookups: 0 });
});

describe("story 8c: the transfer was not sent", () => {
  test("R2: it is withdrawn, netted debt included, before the bank's share is found", () => {
    const books = createBooks();
    released({ books }).bank({ movements: [taken(10_320n)] });
    const sale = funded({ escrowId: "e2", books, netCap: 3_000n });
    sale.release("t2");
    expect(books.owed).toBe(6_950n);
    sale.bank({ objectId: "dp_2", movements: [taken(10_320n, 0n)] });
    expect(sale.operations().find(({ kind }) => kind === "TRANSFER")?.state).toBe("REJECTED");
    expect([books.owed, sale.funds()]).toEqual([9_950n, { funded: 10_320n, chargedBack: 10_320n }]);
  });

  test("R1, pitfall 14: a refund that was not sent goes back, and the bank pays the buyer", () => {
    const sale = funded();
    sale.refund("r1", 4_000n, 128n);
    sale.bank({ movements: [taken(10_320n)] });
    expect(sale.funds()).toEqual({ funded: 10_320n, chargedBack: 10_320n });
    expect(sale.said).toContain("refundRejected");
  });

  test("R1, pitfall 14: a refund under way fails because of the dispute and goes back too", () => {
    const sale = funded();
    sale.refund("r1", 4_000n, 128n);
    sale.sent("r1");
    sale.bank({ movements: [taken(10_320n)] });
    expect(sale.balance("dispute:dp_1")).toBe(4_128n);
    sale.confirm("r1", "failed");
    expect(sale.funds()).toEqual({ funded: 10_320n, chargedBack: 10_320n });
    expect(sale.said.at(-1)).toBe("refundFailed");
  });
});

describe("story 9: after the payout", () => {
  test("R3, pitfall 18: reversal 6000, debt 3950, netted 3000, won: debt 0 and 9000 payable", () => {
    const books = createBooks();
    const first = released({ books });
    first.bank({ movements: [taken(10_320n)] });
    expect(first.funds()).toEqual({ funded: 10_320n, released: 9_950n, fees: 370n });
    expect([books.owed, first.balance("platform:losses")]).toEqual([9_950n, 370n]);
    const [reversal] = first.operations().filter(({ kind }) => kind === "REVERSAL");
    expect(reversal).toMatchObject({ net: 9_950n, target: "o_t1", state: "READY" });
    const operationId = reversal?.operationId ?? "";
    first.look({
      kind: "reversal",
      objectId: "trr_1",
      operationId,
      status: "succeeded",
      amount: 6_000n,
    });
    expect(books.owed).toBe(3_950n);

    const second = funded({ escrowId: "e2", books, netCap: 3_000n });
    second.release("t2");
    second.confirm("t2");
    expect(second.funds()).toEqual({ funded: 10_320n, released: 9_950n, fees: 370n });
    expect(books.owed).toBe(950n);

    first.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] });
    expect([books.owed, first.balance("seller:bob:payable")]).toEqual([0n, -9_000n]);
    expect(first.balance("platform:losses")).toBe(0n);
    const fees = first.balance("platform:provider_fees");
    const anew = first.operations().find(({ kind }) => kind === "RETRANSFER");
    expect(anew).toMatchObject({ net: 9_000n, target: "acct_1", state: "READY" });
    const paid = { kind: "transfer", objectId: "tr_2", status: "succeeded" } as const;
    first.look({ ...paid, operationId: anew?.operationId ?? "", fee: 25n });
    expect(first.balance("seller:bob:payable")).toBe(0n);
    // What its network took is the platform's expense, as of any transfer.
    expect(first.balance("platform:provider_fees") - fees).toBe(25n);
  });

  test("pitfall 15: a reversal that finds too little leaves the debt", () => {
    const sale = released();
    sale.bank({ movements: [taken(10_320n)] });
    const reversal = sale.operations().find(({ kind }) => kind === "REVERSAL");
    sale.confirm(reversal?.operationId ?? "", "failed");
    expect([sale.books.owed, sale.said.at(-1)]).toEqual([9_950n, "reversalFailed"]);
  });

  test("R3: won before the reversal was sent, it is withdrawn", () => {
    const sale = released();
    sale.bank({ movements: [taken(10_320n)] });
    sale.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] });
    const kinds = sale.operations().map(({ kind, state }) => `${kind} ${state}`);
    expect(kinds).toEqual(["TRANSFER SUCCEEDED", "REVERSAL WITHDRAWN"]);
    expect(sale.books.owed).toBe(0n);
  });

  test("R3: a reversal that arrives when nothing is owed any more goes out again", () => {
    const sale = released();
    sale.bank({ movements: [taken(10_320n)] });
    const reversal = sale.operations().find(({ kind }) => kind === "REVERSAL");
    sale.sent(reversal?.operationId ?? "");
    sale.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] });
    sale.confirm(reversal?.operationId ?? "");
    const anew = sale.operations().find(({ kind }) => kind === "RETRANSFER");
    expect([sale.balance("seller:bob:payable"), anew?.net]).toEqual([-9_950n, 9_950n]);
  });

  test.each([
    ["PLATFORM", 0n, 10_320n],
    ["RATIO:50", 4_975n, 5_345n],
    ["RATIO:40", 3_980n, 6_340n],
  ])("R3: by policy %s the seller owes %p", (liability, debt, losses) => {
    const sale = released({ liability });
    sale.bank({ movements: [taken(10_320n)] });
    expect([sale.books.owed, sale.balance("platform:losses")]).toEqual([debt, losses]);
  });

  test("G7: what was forgiven and comes back is not paid to him", () => {
    const sale = released();
    sale.bank({ movements: [taken(10_320n)] });
    sale.writeOff(9_950n);
    expect([sale.books.owed, sale.balance("platform:losses")]).toEqual([0n, 10_320n]);
    sale.bank({ status: "won", movements: [taken(10_320n), reinstated(10_320n)] }, 9_950n);
    expect([sale.books.owed, sale.balance("platform:losses")]).toEqual([0n, 0n]);
    expect(sale.balance("seller:bob:payable")).toBe(0n);
    sale.bank({ objectId: "dp_2", movements: [taken(10_320n, 0n)] });
    expect(sale.books.owed).toBe(9_950n);
  });

  test("G7: what was forgiven is undone once, although two parts come back at once", () => {
    const sale = released();
    const all = taken(10_320n, 0n);
    sale.bank({ movements: [all] });
    sale.writeOff(6_000n);
    const parts = [reinstated(5_000n, 0n, "m2"), reinstated(5_320n, 0n, "m3")];
    sale.bank({ status: "won", movements: [all, ...parts] }, 6_000n);
    expect([sale.books.owed, sale.balance("platform:losses")]).toEqual([0n, 0n]);
    expect(sale.balance("seller:bob:payable")).toBe(0n);
  });
});

test("story 13: a debit that the bank returns is a dispute lost at once", () => {
  const sale = funded();
  sale.bank({ status: "lost", movements: [taken(10_320n, 0n)] });
  expect(sale.said.slice(-2)).toEqual(["chargebackOpened", "chargebackClosed"]);
  expect([sale.funds(), sale.payment().frozen]).toEqual([
    { funded: 10_320n, chargedBack: 10_320n },
    false,
  ]);
});

describe("pitfall 31: a currency that moves in steps of ten", () => {
  const steps = (amount = 0n) => amount % 10n;

  test.each([
    [4_000n, 0n],
    [4_005n, 5n],
  ])(
    "what stays held after the bank took %i can be paid out whole; %i is the platform's",
    (amount, losses) => {
      const sale = funded({ currency: "KWD" });
      sale.bank({ amount, movements: [taken(amount)] });
      sale.bank({ amount, status: "lost", movements: [taken(amount)] });
      expect(steps(sale.funds().held)).toBe(0n);
      expect(sale.funds()).toMatchObject({ chargedBack: 4_000n, held: 6_120n, fees: 200n });
      expect(sale.dispute()?.losses).toBe(losses);
    },
  );

  test("what comes back in parts leaves nothing behind", () => {
    const sale = funded({ currency: "KWD" });
    const before = sale.funds();
    const first = taken(4_005n, 0n);
    const half = reinstated(2_000n, 0n, "m2");
    sale.bank({ movements: [first] });
    sale.bank({ movements: [first, half] });
    expect(steps(sale.funds().held)).toBe(0n);
    sale.bank({ status: "won", movements: [first, half, reinstated(2_005n, 0n, "m3")] });
    expect(sale.funds()).toEqual(before);
  });

  test("a seller owes whole steps, and what is netted leaves whole steps to pay", () => {
    const books = createBooks();
    const first = released({ currency: "KWD", books, liability: "RATIO:33" });
    first.bank({ status: "lost", amount: 4_005n, movements: [taken(4_005n)] });
    expect(steps(books.owed)).toBe(0n);
    expect(books.owed).toBeGreaterThan(0n);
    expect(first.operations().every(({ net }) => steps(net) === 0n)).toBe(true);
    const second = funded({ currency: "KWD", books, escrowId: "e2", netCap: 1_234n });
    second.release("t2");
    const transfer = second.operations().find(({ operationId }) => operationId === "t2");
    expect(transfer).toMatchObject({ netted: 1_230n });
    expect(steps(transfer?.net)).toBe(0n);
  });
});
