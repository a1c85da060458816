/**
 * Refunds to the buyer. A refund does not undo a transfer and may fail long after it succeeded, so
 * what counts is always what it is when it is read.
 */
import type Stripe from "stripe";
import { TerminalError } from "#platform/errors";
import type {
  Lookup,
  Outcome,
  ProviderCall,
  ProviderRefund,
  ProviderRequest,
} from "../../provider.ts";
import type { StripeClient } from "./client.ts";
import { findIn, madeBy } from "./made.ts";
import { currencyOf, fromUnits, toUnits } from "./units.ts";

export function createRefunds({ client }: { readonly client: StripeClient }) {
  const { sdk } = client;
  return {
    createRefund: ({ key, request }: ProviderCall): Promise<Outcome<ProviderRefund>> =>
      client.call(async (ask) => {
        const params = refundParams(key, request);
        return refundOf(
          await ask((timeout) => sdk.refunds.create(params, { ...timeout, idempotencyKey: key })),
        );
      }),
    getRefund: (objectId: string): Promise<Outcome<ProviderRefund>> =>
      client.read(async (ask) =>
        refundOf(await ask((timeout) => sdk.refunds.retrieve(objectId, {}, timeout))),
      ),
    findRefund: (lookup: Lookup): Promise<Outcome<ProviderRefund | undefined>> =>
      client.read(async (ask) => {
        const of = { payment_intent: lookup.request.paymentRef };
        const found = await findIn(lookup, ask, (page, timeout) =>
          sdk.refunds.list({ ...of, ...page }, timeout),
        );
        return found && refundOf(found);
      }),
  };
}

function refundParams(key: string, request: ProviderRequest): Stripe.RefundCreateParams {
  const { paymentRef, operationId, escrowId, amount, currency } = request;
  return {
    payment_intent: paymentRef,
    amount: toUnits(amount, currency),
    metadata: { operationId, attemptKey: key, escrowId },
  };
}

function refundOf(refund: Stripe.Refund): ProviderRefund {
  const { id, metadata, failure_reason: reason } = refund;
  const status = statusOf(refund);
  const currency = currencyOf(refund.currency);
  const intent = refund.payment_intent;
  const paymentRef = typeof intent === "string" ? intent : intent?.id;
  return {
    kind: "refund",
    objectId: id,
    ...madeBy(metadata),
    said: {
      amount: fromUnits(refund.amount, currency),
      currency,
      ...(paymentRef !== undefined && { paymentRef }),
    },
    status,
    code: status === "failed" ? (reason ?? refund.status ?? "unknown") : "",
  };
}

export function statusOf({ status }: Stripe.Refund): ProviderRefund["status"] {
  switch (status) {
    case "pending":
    case "requires_action":
      return "pending";
    case "succeeded":
      return "succeeded";
    case "failed":
    case "canceled":
      return "failed";
    default:
      throw new TerminalError(`a refund is ${status}, which we do not know`);
  }
}
