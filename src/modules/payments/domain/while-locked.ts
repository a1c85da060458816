/**
 * After an operation of a locked payment had its outcome: what waited for it is settled, and what it
 * leaves owed to nobody comes back. Under a sanctions hit that follows the rest into blocked, under
 * the same review, so that lifting the hit gives all of it back at once. Pure.
 */
import { create } from "@bufbuild/protobuf";
import { FundsBlockedSchema } from "#gen/payments/v1/events_pb";
import { max, min, sum } from "#kernel/money";
import * as post from "../ledger/post.ts";
import { type BankCase, continueCase, type Surroundings } from "./bank-case.ts";
import { type Effect, postFor, say } from "./effect.ts";
import type { Funds } from "./funds.ts";
import { whileFrozen } from "./observe-dispute.ts";
import type { Payment } from "./payment.ts";
import type { Screening } from "./screening.ts";
import { withdrawUnsent } from "./withdraw.ts";

export interface LockedSurroundings extends Surroundings {
  /** Of the escrow, where it is under a hit. */
  readonly screenings: ReadonlyMap<string, Screening>;
}

export function whileLocked(
  payment: Payment,
  done: readonly Effect[],
  around: LockedSurroundings,
): readonly Effect[] {
  return whileSanctioned(payment, whileFrozen(payment, done, around), around);
}

/** What `done` gives back to an escrow under a hit is nobody's until that is lifted. */
export function whileSanctioned(
  payment: Payment,
  done: readonly Effect[],
  around: LockedSurroundings,
): readonly Effect[] {
  if (!payment.sanctioned) return done;
  const bankCase = continueCase(payment, done, around);
  withdrawUnsent(bankCase);
  const hit = hitOf([...around.screenings.values()]);
  if (hit !== undefined) blockMore(bankCase, hit, cameBack(bankCase));
  return bankCase.effects;
}

/** One that has money already, so that it is lifted with it; all of it may have been under way. */
function hitOf(screenings: readonly Screening[]): Screening | undefined {
  const hits = screenings.filter(({ state }) => state === "BLOCKED");
  const holds = hits.findLast(({ blocked }) => Object.values(blocked).some((share) => share > 0n));
  return holds ?? hits.at(-1);
}

type Shares = Pick<Funds, "pending" | "held" | "fees">;

/** Transactions that undo what was decided, and what a bank takes of it or gives back at once. */
const givesBack = new Set([
  "release_undone",
  "refund_undone",
  "pending_refund_undone",
  "chargeback_taken",
  "chargeback_settled",
  "chargeback_reinstated",
]);

/**
 * Told by the transactions, not by balances: a fee that was earned and a deposit that came are no
 * part of it. With the buyer's fee on what is held again, as of what was held when it was blocked.
 */
function cameBack(bankCase: BankCase): Shares {
  const { funds, amount, buyerFee } = bankCase.payment();
  const changes = bankCase.effects.flatMap((effect) =>
    effect.case === "posted" && givesBack.has(effect.transaction.reason)
      ? [effect.transaction.change]
      : [],
  );
  const back = (part: keyof Shares) => max(sum(changes.map((change) => change[part] ?? 0n)), 0n);
  const held = min(back("held"), funds.held);
  const fees = max(back("fees"), (buyerFee * held) / amount);
  return { pending: min(back("pending"), funds.pending), held, fees: min(fees, funds.fees) };
}

function blockMore(bankCase: BankCase, hit: Screening, shares: Shares): void {
  const { pending, held, fees } = shares;
  if (pending + held + fees === 0n) return;
  const { reviewId, blocked: known } = hit;
  const transaction = post.fundsBlocked(shares);
  const blocked = {
    ...known,
    pending: known.pending + pending,
    held: known.held + held,
    fees: known.fees + fees,
  };
  const value = create(FundsBlockedSchema, { reference: reviewId });
  bankCase.add(
    postFor({ depositId: reviewId }, transaction),
    say({ case: "fundsBlocked", value }, transaction.change),
    { case: "screened", screening: { ...hit, blocked } },
  );
}
