/**
 * Folds effects into the payment. Throws on the impossible: a decision that would make a balance
 * negative or break the equation is a bug, and nothing of it may be written.
 */
import type { Effect } from "./effect.ts";
import { addFunds } from "./funds.ts";
import type { Payment } from "./payment.ts";

export function evolve(payment: Payment, effect: Effect): Payment {
  switch (effect.case) {
    case "said":
      return { ...payment, version: payment.version + 1n };
    case "posted":
      // Every posting was of nothing: there is no transaction to say.
      if (effect.transaction.postings.length === 0) return payment;
      return {
        ...payment,
        version: payment.version + 1n,
        funds: addFunds(payment.funds, effect.transaction.change),
      };
    case "set":
      return { ...payment, ...effect.fields };
    case "opened":
    case "moved":
    case "deposited":
    case "undone":
    case "netted":
    case "screened":
    case "disputed":
      return payment;
    default:
      return effect satisfies never;
  }
}

export function evolveAll(payment: Payment, effects: readonly Effect[]): Payment {
  return effects.reduce(evolve, payment);
}
