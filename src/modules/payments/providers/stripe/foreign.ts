/**
 * What comes to be at Stripe without a call of ours: disputes, fraud warnings, payouts of sellers,
 * refunds and reversals made elsewhere. Read by the id a webhook named; a value we do not know is
 * never guessed at, it throws, so that the object waits for a person.
 */
import type Stripe from "stripe";
import { TerminalError } from "#platform/errors";
import type {
  DisputeMovement,
  ForeignMovement,
  ForeignObject,
  Outcome,
  ProviderDispute,
  ProviderPayout,
} from "../../provider.ts";
import type { Ask, StripeClient } from "./client.ts";
import { statusOf as refundStatus } from "./refunds.ts";
import { fromSeconds } from "./times.ts";
import { readReversal } from "./transfers.ts";
import { currencyOf, fromUnits } from "./units.ts";

export function createForeign({ client }: { readonly client: StripeClient }) {
  return {
    getForeign: (objectId: string, account: string): Promise<Outcome<ForeignObject | undefined>> =>
      client.read((ask) => readForeign(client, { objectId, account }, ask)),
  };
}

interface Named {
  readonly objectId: string;
  readonly account: string;
}

async function readForeign(
  client: StripeClient,
  { objectId, account }: Named,
  ask: Ask,
): Promise<ForeignObject | undefined> {
  const { sdk } = client;
  switch (prefixOf(objectId)) {
    case "dp":
    case "du": {
      const dispute = await ask((timeout) => sdk.disputes.retrieve(objectId, {}, timeout));
      return disputeOf(client, dispute, ask);
    }
    case "issfr":
      return readWarning(sdk, objectId, ask);
    case "po": {
      // The platform's own payouts are the ledger's business, not a seller's.
      if (account === "") return undefined;
      const options = { stripeAccount: account };
      const payout = await ask((timeout) =>
        sdk.payouts.retrieve(objectId, {}, { ...timeout, ...options }),
      );
      return payoutOf(payout, account);
    }
    case "re":
    case "pyr":
      return readForeignRefund(sdk, objectId, ask);
    case "tr":
      return objectId.includes("/") ? readForeignReversal(sdk, objectId, ask) : undefined;
    default:
      return undefined;
  }
}

function prefixOf(objectId: string): string {
  return objectId.slice(0, Math.max(0, objectId.indexOf("_")));
}

async function disputeOf(
  { sdk, clock }: StripeClient,
  dispute: Stripe.Dispute,
  ask: Ask,
): Promise<ProviderDispute | undefined> {
  const paymentRef = await paymentRefOf(sdk, dispute, ask);
  if (paymentRef === undefined) return undefined;
  const currency = currencyOf(dispute.currency);
  const { due_by: dueBy } = dispute.evidence_details;
  return {
    kind: "dispute",
    objectId: dispute.id,
    paymentRef,
    status: statusOf(dispute.status),
    amount: fromUnits(dispute.amount, currency),
    currency,
    reason: dispute.reason,
    movements: dispute.balance_transactions.map((movement) => movementOf(movement, currency)),
    evidenceDueBy: dueBy ? fromSeconds(dueBy, clock) : undefined,
  };
}

function statusOf(status: string): ProviderDispute["status"] {
  switch (status) {
    case "warning_needs_response":
    case "warning_under_review":
      return "inquiry";
    case "warning_closed":
      return "inquiry_closed";
    case "needs_response":
    case "under_review":
    // An appeal reopens what was decided: it is lost or won again.
    case "appeal_needs_response":
    case "appeal_under_review":
      return "open";
    case "won":
    case "lost":
    case "prevented":
      return status;
    default:
      throw new TerminalError(`a dispute is ${status}, which we do not know`);
  }
}

/** The sign says which way it went; the status says nothing about that. */
function movementOf(movement: Stripe.BalanceTransaction, currency: string): DisputeMovement {
  if (currencyOf(movement.currency) !== currency) {
    throw new TerminalError(
      `${movement.id} moved ${movement.currency} for a dispute in ${currency}`,
    );
  }
  const moved = fromUnits(movement.amount, currency);
  return {
    movementId: movement.id,
    direction: moved > 0n ? "reinstated" : "taken",
    amount: moved > 0n ? moved : -moved,
    fee: fromUnits(movement.fee, currency),
  };
}

async function readWarning(
  sdk: Stripe,
  objectId: string,
  ask: Ask,
): Promise<ForeignObject | undefined> {
  const warning = await ask((timeout) =>
    sdk.radar.earlyFraudWarnings.retrieve(objectId, {}, timeout),
  );
  const paymentRef = await paymentRefOf(sdk, warning, ask);
  if (paymentRef === undefined) return undefined;
  return { kind: "warning", objectId, paymentRef, open: warning.actionable };
}

async function readForeignRefund(
  sdk: Stripe,
  objectId: string,
  ask: Ask,
): Promise<ForeignMovement | undefined> {
  const refund = await ask((timeout) => sdk.refunds.retrieve(objectId, {}, timeout));
  // Ours says so itself.
  if (refund.metadata?.operationId) return undefined;
  const paymentRef = idOf(refund.payment_intent);
  if (paymentRef === undefined) return undefined;
  const status = refundStatus(refund);
  return foreignMovement({ ...refund, objectId, paymentRef, movement: "refund", status });
}

async function readForeignReversal(
  sdk: Stripe,
  objectId: string,
  ask: Ask,
): Promise<ForeignMovement | undefined> {
  const reversal = await readReversal(sdk, objectId, ask);
  if (reversal.metadata?.operationId) return undefined;
  const transferId = idOf(reversal.transfer) ?? "";
  const transfer = await ask((timeout) => sdk.transfers.retrieve(transferId, {}, timeout));
  const charge = idOf(transfer.source_transaction);
  // Out of our own balance: the transfer itself says whose it is.
  const paymentRef = charge === undefined ? transfer.id : await paymentRefOf(sdk, { charge }, ask);
  if (paymentRef === undefined) return undefined;
  const status = "succeeded";
  return foreignMovement({ ...reversal, objectId, paymentRef, movement: "reversal", status });
}

type Moved = Pick<ForeignMovement, "objectId" | "paymentRef" | "movement" | "status"> &
  Pick<Stripe.Refund, "amount" | "currency">;

function foreignMovement(moved: Moved): ForeignMovement {
  const { objectId, paymentRef, movement, status } = moved;
  const currency = currencyOf(moved.currency);
  const amount = fromUnits(moved.amount, currency);
  return { kind: "foreign", objectId, paymentRef, movement, status, amount, currency };
}

/** The payment intent, by its charge where it is not named. */
async function paymentRefOf(
  sdk: Stripe,
  {
    payment_intent: intent,
    charge,
  }: {
    readonly payment_intent?: string | Stripe.PaymentIntent | null;
    readonly charge: string | Stripe.Charge;
  },
  ask: Ask,
): Promise<string | undefined> {
  const named = idOf(intent);
  if (named !== undefined) return named;
  const chargeId = idOf(charge) ?? "";
  return idOf((await ask((timeout) => sdk.charges.retrieve(chargeId, {}, timeout))).payment_intent);
}

function payoutOf(payout: Stripe.Payout, account: string): ProviderPayout {
  const currency = currencyOf(payout.currency);
  const status = payoutStatus(payout.status);
  return {
    kind: "payout",
    objectId: payout.id,
    account,
    status,
    amount: fromUnits(payout.amount, currency),
    currency,
    code: status === "failed" ? (payout.failure_code ?? payout.status) : "",
  };
}

function payoutStatus(status: string): ProviderPayout["status"] {
  switch (status) {
    case "pending":
    case "in_transit":
      return "pending";
    case "paid":
      return "paid";
    case "failed":
    case "canceled":
      return "failed";
    default:
      throw new TerminalError(`a payout is ${status}, which we do not know`);
  }
}

export function idOf(
  named: string | { readonly id: string } | null | undefined,
): string | undefined {
  return typeof named === "string" ? named : named?.id;
}
