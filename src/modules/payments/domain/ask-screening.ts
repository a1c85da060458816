/** Which deposits and payouts have to be screened, and the question each of them is. Pure. */
import { hashFields } from "#kernel/ids";
import type { Effect } from "./effect.ts";
import type { Deposit, Operation, Payment } from "./payment.ts";
import { isScreened, nothingBlocked, type Screening } from "./screening.ts";

/** Whoever sent it is screened before it counts. */
export function screenDeposit(payment: Payment, deposit: Deposit, now: Date): readonly Effect[] {
  if (!isScreened(payment)) return [];
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

type Asked = Pick<
  Screening,
  "purpose" | "depositId" | "operationId" | "partyId" | "address" | "amount" | "currency"
>;

function newScreening({ escrowId }: Payment, asked: Asked, now: Date): Screening {
  const id = hashFields("screening", escrowId, asked.purpose, asked.depositId, asked.operationId);
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
