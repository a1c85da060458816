/**
 * Plays what happens outside: the buyer's bank pays or declines, a seller finishes his onboarding.
 * Only tests and demos come here; the product learns of it by webhook, as it would in earnest.
 */
import { hashFields } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database/database";
import {
  type BookObject,
  changeObject,
  type Details,
  lockObject,
  objectIdFor,
  received,
} from "./book.ts";
import { available } from "./disputes.ts";
import { type Movement, recordMovements } from "./movements.ts";

export interface Bank {
  /**
   * `amount`: minor units; all that is missing when absent. The same `key` again is the same deposit,
   * since whoever lost the reply will ask again. What is paid is paid once more only by an amount.
   */
  pay(
    objectId: string,
    outcome: PayOutcome,
    amount: bigint | undefined,
    key?: string,
  ): Promise<"played" | "unknown" | "paid">;
  setReady(partyId: string, ready: boolean): Promise<boolean>;
  /** A line of the provider's books for something nobody here knows. */
  adjust(line: Omit<Movement, "objectId" | "fee">, key: string): Promise<void>;
}

export type PayOutcome = "succeed" | "decline" | "processing";

export function createBank({ db, clock }: { readonly db: Database; readonly clock: Clock }): Bank {
  return {
    pay: (objectId, outcome, amount, key) =>
      db.withTx(async (tx) => {
        const payment = await lockObject(tx, objectId);
        if (payment?.kind !== "payment") return "unknown";
        const now = clock.now();
        const depositId = depositIdOf(payment, key);
        if (outcome === "succeed" && hasDeposit(payment, depositId)) return "played";
        const there = await paidSoFar(tx, payment);
        const missing = payment.amount - there;
        const needed = outcome !== "succeed" || amount === undefined;
        if (needed && missing <= 0n) return "paid";
        const deposit = { depositId, amount: amount ?? missing, there, now };
        const { change, type } = played(payment, outcome, deposit);
        await changeObject(tx, payment, change, type, now);
        return "played";
      }),
    adjust: (line, key) =>
      db.withTx(async (tx) => {
        const objectId = `sbx_adj_${hashFields(key).slice(0, 24)}`;
        await recordMovements(tx, [{ ...line, objectId, fee: 0n }], clock.now());
      }),
    setReady: (partyId, ready) =>
      db.withTx(async (tx) => {
        const account = await lockObject(tx, objectIdFor("account", partyId));
        if (account === undefined) return false;
        const status = ready ? "READY" : "RESTRICTED";
        await changeObject(tx, account, { status }, "account.updated", clock.now());
        return true;
      }),
  };
}

interface Deposit {
  readonly depositId: string;
  readonly amount: bigint;
  /** What was paid before it. */
  readonly there: bigint;
  readonly now: Date;
}

/** Of one that is open, what was given back has to be paid again. */
async function paidSoFar(tx: Tx, payment: BookObject): Promise<bigint> {
  const open = payment.status === "requires_payment" || payment.status === "processing";
  return open ? available(tx, payment) : received(payment);
}

function depositIdOf({ object_id, details }: BookObject, key: string | undefined): string {
  const tail =
    key === undefined ? (details.deposits?.length ?? 0) + 1 : hashFields(key).slice(0, 16);
  return `${object_id}_${tail}`;
}

function hasDeposit({ details }: BookObject, depositId: string): boolean {
  return details.deposits?.some((deposit) => deposit.depositId === depositId) ?? false;
}

function played(
  payment: BookObject,
  outcome: PayOutcome,
  deposit: Deposit,
): { readonly change: Parameters<typeof changeObject>[2]; readonly type: string } {
  switch (outcome) {
    case "decline": {
      const details: Details = { ...payment.details, lastError: "card_declined" };
      const status = payment.status === "processing" ? "requires_payment" : payment.status;
      return { change: { status, details }, type: "payment.failed" };
    }
    case "processing":
      return { change: { status: "processing" }, type: "payment.processing" };
    case "succeed":
      return arrived(payment, deposit);
    default:
      return outcome satisfies never;
  }
}

/** Money arrives even for a payment that is complete or cancelled: banks do that. */
function arrived(payment: BookObject, { depositId, amount, there, now }: Deposit) {
  const { deposits = [] } = payment.details;
  const deposit = {
    depositId,
    amount: amount.toString(),
    currency: payment.currency,
  };
  const { lastError: _, ...rest } = payment.details;
  const details: Details = { ...rest, deposits: [...deposits, deposit] };
  const whole = there + amount >= payment.amount;
  const open = whole ? "succeeded" : "requires_payment";
  const status = payment.status === "cancelled" ? "cancelled" : open;
  // The fee becomes known a moment after the money, as with card networks.
  const next = { at: now, status };
  return {
    change: { status, details, ...(whole && { next }) },
    type: whole ? "payment.succeeded" : "payment.deposited",
  };
}
