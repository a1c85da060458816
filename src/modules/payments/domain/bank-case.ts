/**
 * A payment together with its disputes and operations, moved on by the effects that are decided:
 * each step sees what the one before left.
 */
import type { Dispute } from "./dispute.ts";
import type { Effect } from "./effect.ts";
import { evolve } from "./evolve.ts";
import type { Operation, Payment } from "./payment.ts";

/** What is known besides the payment, read under its lock. */
export interface Surroundings {
  readonly now: Date;
  readonly disputes: ReadonlyMap<string, Dispute>;
  /** Those that move money, all of this escrow. */
  readonly operations: ReadonlyMap<string, Operation>;
  /** What the seller owes in this currency, locked. Minor units. */
  readonly owed: bigint;
  /** The provider's id of the seller's account; "" when it knows him by his id. */
  readonly sellerAccount: string;
}

export interface BankCase {
  readonly now: Date;
  readonly sellerAccount: string;
  readonly effects: readonly Effect[];
  payment(): Payment;
  disputes(): readonly Dispute[];
  dispute(disputeId: string): Dispute | undefined;
  operations(): readonly Operation[];
  owed(): bigint;
  add(...more: readonly Effect[]): void;
}

export function openCase(start: Payment, around: Surroundings): BankCase {
  const effects: Effect[] = [];
  const disputes = new Map(around.disputes);
  const operations = new Map(around.operations);
  let payment = start;
  let { owed } = around;
  const take = (effect: Effect): void => {
    payment = evolve(payment, effect);
    if (effect.case === "disputed") disputes.set(effect.dispute.disputeId, effect.dispute);
    if (effect.case === "netted") owed -= effect.amount;
    if (effect.case === "opened" || effect.case === "moved") {
      operations.set(effect.operation.operationId, effect.operation);
    }
  };
  return {
    now: around.now,
    sellerAccount: around.sellerAccount,
    effects,
    payment: () => payment,
    disputes: () => [...disputes.values()],
    dispute: (disputeId) => disputes.get(disputeId),
    operations: () => [...operations.values()],
    owed: () => owed,
    add: (...more) => {
      for (const effect of more) take(effect);
      effects.push(...more);
    },
  };
}

/** The payment after effects that were decided before the case was opened. */
export function continueCase(
  start: Payment,
  done: readonly Effect[],
  around: Surroundings,
): BankCase {
  const bankCase = openCase(start, around);
  bankCase.add(...done);
  return bankCase;
}
