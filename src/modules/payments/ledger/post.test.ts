/**
 * Our posting functions against a model that writes each fact's moves down a second time, account
 * by account: random stories must leave both with the same balances and the equation intact.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addFunds, type Change, type Funds, noFunds } from "../domain/funds.ts";
import { accountName } from "./accounts.ts";
import * as post from "./post.ts";
import { disputeReinstated, disputeTaken } from "./post-dispute.ts";

const amount = 10_000n;
const buyerFee = 320n;
const paid = amount + buyerFee;
const sellerFee = 50n;
const H = "escrow:e1:held";
const R = "escrow:e1:reserved";
const P = "escrow:e1:pending";
const B = "escrow:e1:blocked";
const F = "platform:fees";
const C = "clearing:sandbox";
const D = "dispute:d1";
const DB = "seller:bob:debt";
const PY = "seller:bob:payable";
const PF = "platform:provider_fees";
const LO = "platform:losses";

type Move = readonly [debit: string, credit: string, amount: bigint];

/** Both ledgers side by side, compared after every fact. */
function createStory() {
  const ours = new Map<string, bigint>();
  const model = new Map<string, bigint>();
  let funds: Funds = noFunds;
  const add = (book: Map<string, bigint>, account: string, by: bigint) => {
    const sum = (book.get(account) ?? 0n) + by;
    if (sum === 0n) book.delete(account);
    else book.set(account, sum);
  };
  return {
    owed: (account: string) => -(ours.get(account) ?? 0n),
    balance: (account: string) => ours.get(account) ?? 0n,
    funds: () => funds,
    fact(transaction: post.LedgerTransaction, ...moves: Move[]) {
      for (const { debit, credit, amount: sum } of transaction.postings) {
        add(ours, accountName(debit, "e1"), sum);
        add(ours, accountName(credit, "e1"), -sum);
      }
      for (const [debit, credit, sum] of moves) {
        add(model, debit, sum);
        add(model, credit, -sum);
      }
      funds = addFunds(funds, transaction.change);
      expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(model));
      expect([...ours.values()].reduce((sum, balance) => sum + balance, 0n)).toBe(0n);
      for (const part of ["pending", "held", "reserved", "blocked"] as const) {
        expect(funds[part]).toBe(-(model.get(`escrow:e1:${part}`) ?? 0n));
      }
      expect(funds.fees).toBe(-(model.get(F) ?? 0n));
    },
  };
}

type Story = ReturnType<typeof createStory>;

function fund(story: Story): void {
  story.fact(post.depositConfirmed("sandbox", paid), [C, P, paid]);
  story.fact(post.fundingComplete(amount, buyerFee), [P, H, amount], [P, F, buyerFee]);
  story.fact(post.providerFeeKnown("sandbox", 329n), [PF, C, 329n]);
}

/** The cumulative floor: parts add up to the whole. */
const feeShare = (fee: bigint, done: bigint, part: bigint) =>
  (fee * (done + part)) / amount - (fee * done) / amount;

interface Progress {
  done: bigint;
  back: bigint;
  debt: bigint;
}

function release(story: Story, progress: Progress, wish: bigint, ending: string): void {
  const gross = wish < story.owed(H) ? wish : story.owed(H);
  const fee = feeShare(sellerFee, progress.done, gross);
  const netted = progress.debt < gross - fee ? progress.debt : gross - fee;
  const amounts = { fee, netted, net: gross - fee - netted };
  story.fact(post.releaseAccepted("bob", amounts), [H, R, gross], [R, DB, netted]);
  if (ending === "refused") {
    story.fact(post.releaseUndone("bob", amounts), [DB, R, netted], [R, H, gross]);
    return;
  }
  story.fact(post.transferConfirmed("sandbox", amounts), [R, C, amounts.net], [R, F, fee]);
  progress.done += gross;
  progress.debt -= netted;
}

function refund(story: Story, progress: Progress, wish: bigint, ending: string): void {
  const principal = wish < story.owed(H) ? wish : story.owed(H);
  const feeReturned = feeShare(buyerFee, progress.back, principal);
  const amounts = { amount: principal, feeReturned };
  const total = principal + feeReturned;
  story.fact(post.refundAccepted(amounts), [H, R, principal], [F, R, feeReturned]);
  if (ending === "refused") {
    story.fact(post.refundUndone(amounts), [R, H, principal], [R, F, feeReturned]);
    return;
  }
  story.fact(post.refundConfirmed("sandbox", total), [R, C, total]);
  if (ending === "returned") {
    story.fact(post.refundReturned("sandbox", total), [C, R, total]);
    story.fact(post.refundConfirmed("sandbox", total), [R, C, total]);
  }
  progress.back += principal;
}

function chargeback(story: Story, progress: Progress, wish: bigint, ending: string): void {
  if (wish === 0n) return;
  const ourFees = story.owed(F);
  const fees = [(wish * buyerFee) / paid, ourFees].sort((a, b) => (a < b ? -1 : 1))[0] ?? 0n;
  const rest = wish - fees;
  const kept = rest < story.owed(H) ? rest : story.owed(H);
  const debt = (rest - kept) / 2n;
  const losses = rest - kept - debt;
  const shares = { fees, pending: 0n, held: kept, debt, losses };
  const counter = "chargedBack" as const;
  const from = { provider: "sandbox", disputeId: "d1", sellerId: "bob", counter };
  story.fact(
    disputeTaken(from, wish, shares),
    [D, C, wish],
    [F, D, fees],
    [H, D, kept],
    [DB, D, debt],
    [LO, D, losses],
  );
  progress.debt += debt;
  if (ending !== "returned") return;
  const payable = debt / 2n;
  story.fact(
    disputeReinstated(from, wish, {
      ...shares,
      debt: debt - payable,
      payable,
    }),
    [C, D, wish],
    [D, F, fees],
    [D, H, kept],
    [D, DB, debt - payable],
    [D, PY, payable],
    [D, LO, losses],
  );
  progress.debt -= debt - payable;
  story.fact(post.payablePaid("sandbox", "bob", payable), [PY, C, payable]);
}

function block(story: Story): void {
  const kept = story.owed(H);
  const shares = { pending: 0n, held: kept, fees: story.owed(F) < 1n ? 0n : 1n };
  story.fact(post.fundsBlocked(shares), [H, B, kept], [F, B, shares.fees]);
  story.fact(post.fundsUnblocked(shares), [B, H, kept], [B, F, shares.fees]);
}

const steps = { release, refund, chargeback, block };

describe("the posting table", () => {
  test("G1, pitfall 1: random stories leave the same books as the model", () => {
    const step = fc.record({
      what: fc.constantFrom(...(Object.keys(steps) as (keyof typeof steps)[])),
      wish: fc.bigInt({ min: 1n, max: paid }),
      ending: fc.constantFrom("confirmed", "refused", "returned"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (story) => {
        const books = createStory();
        const progress: Progress = { done: 0n, back: 0n, debt: 0n };
        fund(books);
        for (const { what, wish, ending } of story) steps[what](books, progress, wish, ending);
        const { funded, ...rest } = books.funds();
        expect(funded).toBe(Object.values(rest).reduce((sum, part) => sum + part, 0n));
        expect(books.balance(DB)).toBe(progress.debt);
      }),
      { numRuns: 500 },
    );
  });

  test("story 1: a happy path leaves 370 of fees less the provider's 329 in clearing", () => {
    const books = createStory();
    fund(books);
    expect(books.balance(C)).toBe(9_991n);
    release(books, { done: 0n, back: 0n, debt: 0n }, amount, "confirmed");
    expect(books.funds()).toMatchObject({
      funded: 10_320n,
      released: 9_950n,
      fees: 370n,
      held: 0n,
    });
    expect(books.balance(C)).toBe(41n);
  });

  test("story 3, pitfall 33: partial releases and a refund take parts that add up", () => {
    const books = createStory();
    const progress: Progress = { done: 0n, back: 0n, debt: 0n };
    fund(books);
    release(books, progress, 3_333n, "confirmed");
    release(books, progress, 300n, "confirmed");
    refund(books, progress, 3_334n, "confirmed");
    expect(books.funds()).toMatchObject({ refunded: 3_440n, fees: 320n + 18n - 106n });
    release(books, progress, 3_033n, "confirmed");
    expect(books.funds()).toMatchObject({ held: 0n, reserved: 0n, released: 6_666n - 33n });
  });

  test("story 7, pitfall 38: the excess of two deposits goes back, the rest is held", () => {
    const books = createStory();
    books.fact(post.depositConfirmed("sandbox", 6_000n), [C, P, 6_000n]);
    books.fact(post.depositConfirmed("sandbox", 4_820n), [C, P, 4_820n]);
    books.fact(post.fundingComplete(amount, buyerFee), [P, H, amount], [P, F, buyerFee]);
    books.fact(post.pendingRefundAccepted(500n), [P, R, 500n]);
    books.fact(post.refundConfirmed("sandbox", 500n), [R, C, 500n]);
    expect(books.funds()).toMatchObject({ funded: 10_820n, refunded: 500n, held: amount });
  });

  test("no part of the funds may become negative", () => {
    const overdrawn: Change = { held: -1n, reserved: 1n };
    expect(() => addFunds(noFunds, overdrawn)).toThrow("held would be -1");
  });

  test("a change that creates money is refused", () => {
    expect(() => addFunds(noFunds, { held: 1n })).toThrow("conservation");
  });
});
