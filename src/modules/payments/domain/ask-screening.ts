/** Which deposits and payouts have to be screened, and the question each of them is. Pure. */
import { hashFields } from "#kernel/ids";
import type { Effect } from "./effect.ts";
import type { Deposit, Operation, Payment } from "./payment.ts";
import { isScreened, nothingBlocked, type Screening } from "./screening.ts";

/** Whoever sent it is screened before it counts. */
export function screenDeposit(payment: Payment, deposit: Deposit, now: Date): readonly Effect[] {
  // Anybody can send any token: of another asset it is asked when an operator gives it back.
  if (!isScreened(payment) || deposit.currency !== payment.currency) return [];
  const { depositId, source = "", amount, currency } = deposit;
  const screening = newScreening(
    payment,
    {
      purpose: "DEPOSIT",
      depositId,
      operationId: "",
      partyId: payment.buyerId,
      address: source,
      amount,
      currency,
    },
    now,
  );
  return [
    { case: "screened", screening },
    { case: "set", fields: { inReview: true } },
  ];
}

/** Whoever is paid is screened again, just before. */
export function screenPayout(payment: Payment, operation: Operation, now: Date): readonly Effect[] {
  if (!isScreened(payment) || operation.net === 0n) return [];
  const { operationId, target, net } = operation;
  const screening = newScreening(
    payment,
    {
      purpose: "PAYOUT",
      depositId: "",
      operationId,
      partyId: payment.sellerId,
      address: target,
      amount: net,
      currency: payment.currency,
    },
    now,
  );
  return [{ case: "screened", screening }];
}

/**
 * What has to be cleared before an operation's call: a payout's question, or a refund's, whose wallet
 * may have come on a list since it was registered. Undefined: nothing goes to a wallet by it.
 */
export function screeningOf(
  payment: Payment,
  operation: Operation,
  now: Date,
): Screening | undefined {
  const { kind, operationId, target, net, asset, attempt } = operation;
  if (kind === "TRANSFER") {
    const [effect] = screenPayout(payment, operation, now);
    return effect?.case === "screened" ? effect.screening : undefined;
  }
  // Without an address the provider refuses it.
  if ((kind !== "REFUND" && kind !== "RETRANSFER") || target === "") return undefined;
  if (!isScreened(payment)) return undefined;
  const asked = {
    purpose: "PAYOUT",
    depositId: "",
    operationId,
    partyId: kind === "REFUND" ? payment.buyerId : payment.sellerId,
    address: target,
    amount: net,
    currency: asset || payment.currency,
  } as const;
  return newScreening(payment, asked, now, `${attempt} ${target}`);
}

type Asked = Pick<
  Screening,
  "purpose" | "depositId" | "operationId" | "partyId" | "address" | "amount" | "currency"
>;

/** `time`: which of several questions about the same operation. */
function newScreening({ escrowId }: Payment, asked: Asked, now: Date, time?: string): Screening {
  const { purpose, depositId, operationId } = asked;
  const again = time === undefined ? [] : [time];
  const id = hashFields("screening", escrowId, purpose, depositId, operationId, ...again);
  return {
    ...asked,
    reviewId: `rev_${id.slice(0, 32)}`,
    state: "DUE",
    reason: "",
    told: false,
    decidedBy: [],
    blocked: nothingBlocked,
    blockedAt: undefined,
    liftedAt: undefined,
    dueAt: now,
    tries: 0,
    openedAt: now,
  };
}
