/**
 * I1 across modules: the escrow's own funds against the ledger. Compared where both have seen the
 * same; that they see the same, and that each has its counterpart, is asked of whatever is not young.
 */
import type { Book } from "#platform/books";
import type { Clock } from "#platform/clock";
import type { Check, Finding } from "#platform/verify/checks";

export interface BooksDeps {
  readonly escrowBooks: (afterId: string) => Promise<readonly Book[]>;
  readonly paymentBooks: (escrowIds: readonly string[]) => Promise<readonly Book[]>;
  /** How many escrows payments has a book of. */
  readonly countPayments: () => Promise<bigint>;
  readonly clock: Clock;
}

export function booksAgree(deps: BooksDeps): Check {
  const { escrowBooks, paymentBooks, countPayments, clock } = deps;
  return async ({ patienceMs }) => {
    // Counted first: an escrow is always there before its payment.
    const payments = await countPayments();
    const youngSince = clock.now().getTime() - patienceMs;
    const tally: Tally = { compared: 0n, matched: 0n };
    for (let afterId = ""; ; ) {
      const ours = await escrowBooks(afterId);
      const last = ours.at(-1);
      if (!last) break;
      const ids = ours.map(({ escrowId }) => escrowId);
      const theirs = new Map((await paymentBooks(ids)).map((book) => [book.escrowId, book]));
      for (const book of ours) compare(book, theirs.get(book.escrowId), youngSince, tally);
      afterId = last.escrowId;
    }
    if (tally.matched < payments) {
      tally.apart ??= `payments has ${payments - tally.matched} books of unknown escrows`;
    }
    return findingsOf(tally);
  };
}

interface Tally {
  compared: bigint;
  matched: bigint;
  /** The first two counts that differ. */
  unequal?: string;
  /** The first that has not seen what the other said. */
  apart?: string;
}

function compare(book: Book, other: Book | undefined, youngSince: number, tally: Tally): void {
  const { escrowId, paymentsVersion, funds, updatedAt } = book;
  if (other) tally.matched += 1n;
  const touched = Math.max(updatedAt.getTime(), other?.updatedAt.getTime() ?? 0);
  const young = touched > youngSince;
  if (paymentsVersion !== (other?.paymentsVersion ?? 0n)) {
    if (!young) {
      tally.apart ??= `${escrowId}: payments said ${other?.paymentsVersion ?? 0n}, escrow has seen ${paymentsVersion}`;
    }
    return;
  }
  if (!other) return;
  const same = other.funds.join() === funds.join();
  if (!same && young) return;
  tally.compared += 1n;
  if (!same) {
    tally.unequal ??= `${escrowId}: escrow says ${funds.join()}, ledger ${other.funds.join()}`;
  }
}

function findingsOf({ compared, matched, unequal, apart }: Tally): Finding[] {
  return [
    {
      id: "I1",
      name: "escrow's funds equal the ledger's",
      checked: compared,
      ...(unequal !== undefined && { counterexample: unequal }),
    },
    {
      id: "I9",
      name: "escrow and payments have seen each other's last word",
      checked: matched,
      ...(apart !== undefined && { counterexample: apart }),
    },
  ];
}
