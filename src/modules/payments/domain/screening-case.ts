/**
 * What follows when a screening is answered, or an operator decides it: the money goes on, waits, or
 * is blocked where nobody can release or refund it. Pure; each step sees what the one before left.
 */
import { create } from "@bufbuild/protobuf";
import {
  FundsBlockedSchema,
  FundsUnblockedSchema,
  ScreeningClearedSchema,
  ScreeningHeldSchema,
} from "#gen/payments/v1/events_pb";
import { min } from "#kernel/money";
import * as post from "../ledger/post.ts";
import { suspenseBlocked, suspenseUnblocked } from "../ledger/post-suspense.ts";
import { type BankCase, openCase, type Surroundings } from "./bank-case.ts";
import { backoffMs } from "./calls.ts";
import { isReturn } from "./decide.ts";
import { type Effect, postFor, say } from "./effect.ts";
import { settlePending } from "./observe.ts";
import { isComplete, type Operation, type Payment, paidByBuyer } from "./payment.ts";
import { type BlockedShares, isOpen, type Screening } from "./screening.ts";
import { withdrawIfUnsent, withdrawUnsent } from "./withdraw.ts";

export type ScreeningAnswer =
  | { readonly kind: "unavailable" }
  | { readonly kind: "clear"; readonly score: number }
  | {
      readonly kind: "sanctioned";
      /** Two operators lifted a block of this wallet on this very list before. */
      readonly lifted: boolean;
    };

export interface ScreeningSurroundings {
  readonly around: Surroundings;
  /** All of the escrow. */
  readonly screenings: ReadonlyMap<string, Screening>;
}

/** From here on a person decides. */
const riskyScore = 50;
const longestRetryMs = 60_000;

export function screeningAnswered(
  payment: Payment,
  screening: Screening,
  answer: ScreeningAnswer,
  given: ScreeningSurroundings,
): readonly Effect[] {
  const screeningCase = openScreeningCase(payment, given);
  switch (answer.kind) {
    case "unavailable": {
      const waitMs = Math.min(backoffMs(screening.tries), longestRetryMs);
      const dueAt = new Date(given.around.now.getTime() + waitMs);
      hold(screeningCase, { ...screening, reason: "UNAVAILABLE", dueAt });
      break;
    }
    case "clear":
      if (answer.score < riskyScore) clear(screeningCase, { ...screening, reason: "CLEAR" });
      else {
        const held = { ...screening, state: "HELD", reason: "SCORE", dueAt: undefined } as const;
        hold(screeningCase, held);
      }
      break;
    case "sanctioned":
      if (answer.lifted) clear(screeningCase, { ...screening, reason: "LIFTED_BEFORE" });
      else block(screeningCase, { ...screening, reason: "SANCTIONED" });
      break;
    default:
      return answer satisfies never;
  }
  return screeningCase.money.effects;
}

export interface ScreeningCase {
  readonly money: BankCase;
  screenings(): readonly Screening[];
  /** The screening as it is from now on. */
  put(screening: Screening): void;
}

export function openScreeningCase(
  payment: Payment,
  { around, screenings }: ScreeningSurroundings,
): ScreeningCase {
  const money = openCase(payment, around);
  const known = new Map(screenings);
  return {
    money,
    screenings: () => [...known.values()],
    put: (screening) => {
      known.set(screening.reviewId, screening);
      money.add({ case: "screened", screening });
    },
  };
}

function hold({ money, put }: ScreeningCase, screening: Screening): void {
  const { reviewId, reason, told } = screening;
  if (isAside(money, screening)) {
    put(screening);
    return;
  }
  put({ ...screening, told: true });
  if (told) return;
  const value = create(ScreeningHeldSchema, { reviewId, reason });
  money.add(say({ case: "screeningHeld", value }));
}

export function clear(screeningCase: ScreeningCase, screening: Screening): void {
  const { money, put } = screeningCase;
  put({ ...screening, state: "CLEARED", dueAt: undefined });
  tellOver(money, screening);
  goOn(screeningCase, screening);
}

/** The hit's money, with the buyer's fee on it, goes where nobody can take it. */
export function block(screeningCase: ScreeningCase, screening: Screening): void {
  const { money, put } = screeningCase;
  if (isAside(money, screening)) {
    keepAside(screeningCase, screening);
    return;
  }
  const { reviewId, currency, amount } = screening;
  money.add({ case: "set", fields: { sanctioned: true } });
  withdrawUnsent(money);
  const payment = money.payment();
  const stray = currency === payment.currency ? 0n : amount;
  const blocked = { ...sharesOf(payment), suspense: stray };
  const transaction = post.fundsBlocked(blocked);
  money.add(postFor({ depositId: reviewId }, transaction));
  if (stray > 0n) {
    money.add(postFor({ depositId: reviewId }, suspenseBlocked(payment.provider, stray, currency)));
  }
  const value = create(FundsBlockedSchema, { reference: reviewId });
  money.add(say({ case: "fundsBlocked", value }, transaction.change));
  put({ ...screening, state: "BLOCKED", blocked, blockedAt: money.now, dueAt: undefined });
  tellOver(money, screening);
  reviewed(screeningCase);
}

/**
 * What is not the escrow's own money stops nothing of it, whoever sent it: another asset, what came
 * too much or too late, what is payable to the seller on its own account.
 */
function isAside(money: BankCase, { purpose, operationId, currency }: Screening): boolean {
  const payment = money.payment();
  if (currency !== payment.currency || operationOf(money, operationId)?.kind === "RETRANSFER") {
    return true;
  }
  const taken = isComplete(payment) || payment.cancelled;
  return taken && (purpose === "DEPOSIT" || isReturn({ operationId }));
}

function operationOf(money: BankCase, operationId: string): Operation | undefined {
  return money.operations().find((known) => known.operationId === operationId);
}

/** It stays where it is, pending or in suspense, and nothing gives it back. */
function keepAside(screeningCase: ScreeningCase, screening: Screening): void {
  const { money, put } = screeningCase;
  const { operationId } = screening;
  put({ ...screening, state: "BLOCKED", blockedAt: money.now, dueAt: undefined });
  tellOver(money, screening);
  const operation = operationOf(money, operationId);
  if (operation !== undefined) withdrawIfUnsent(money, operation);
  reviewed(screeningCase);
}

/** Its hit moved nothing: it locked nothing, or came behind another one that had taken all. */
function isKeptAside({ state, blocked }: Screening): boolean {
  return state === "BLOCKED" && Object.values(blocked).every((share) => share === 0n);
}

/** The exact mirror, by two operators. */
export function unblock(screeningCase: ScreeningCase, screening: Screening): void {
  const { money, put } = screeningCase;
  if (isKeptAside(screening) && isAside(money, screening)) {
    put({ ...screening, state: "LIFTED", liftedAt: money.now });
    goOn(screeningCase, screening);
    return;
  }
  const { reviewId, blocked, currency } = screening;
  const { provider } = money.payment();
  const transaction = post.fundsUnblocked(blocked);
  money.add(postFor({ depositId: reviewId }, transaction));
  if (blocked.suspense > 0n) {
    const back = suspenseUnblocked(provider, blocked.suspense, currency);
    money.add(postFor({ depositId: reviewId }, back));
  }
  const value = create(FundsUnblockedSchema, { reference: reviewId });
  put({ ...screening, state: "LIFTED", liftedAt: money.now });
  const blockedStill = screeningCase
    .screenings()
    .some((known) => known.state === "BLOCKED" && !(isKeptAside(known) && isAside(money, known)));
  if (!blockedStill) money.add({ case: "set", fields: { sanctioned: false } });
  money.add(say({ case: "fundsUnblocked", value }, transaction.change));
  goOn(screeningCase, screening);
}

function goOn(screeningCase: ScreeningCase, { purpose, operationId }: Screening): void {
  const { money } = screeningCase;
  if (purpose === "PAYOUT") {
    const operation = operationOf(money, operationId);
    if (operation?.state === "READY") {
      money.add({ case: "moved", operation: { ...operation, dueAt: money.now } });
      return;
    }
  }
  reviewed(screeningCase);
  if (!money.payment().inReview && isSettleable(money.payment())) {
    money.add(...settlePending(money.payment(), money.now));
  }
}

/** Deposits are in review while one of them is, or is kept aside. */
function reviewed({ money, screenings }: ScreeningCase): void {
  const inReview = screenings().some(
    (known) => known.purpose === "DEPOSIT" && (isOpen(known) || isKeptAside(known)),
  );
  if (inReview !== money.payment().inReview) money.add({ case: "set", fields: { inReview } });
}

/** What is short goes on waiting for the rest. */
function isSettleable(payment: Payment): boolean {
  const { cancelled, funds, sanctioned } = payment;
  if (sanctioned) return false;
  return cancelled || isComplete(payment) || funds.pending >= paidByBuyer(payment);
}

function tellOver(money: BankCase, { reviewId, told }: Screening): void {
  if (!told) return;
  const value = create(ScreeningClearedSchema, { reviewId });
  money.add(say({ case: "screeningCleared", value }));
}

function sharesOf({ funds, amount, buyerFee }: Payment): Omit<BlockedShares, "suspense"> {
  const { pending, held } = funds;
  const fees = min(funds.fees, (buyerFee * held) / amount);
  return { pending, held, fees };
}
