/**
 * Payments as PaymentIntents on the platform's own account: one intent and at most one charge per
 * escrow, in the escrow's transfer group. The money stays with the platform until a transfer is
 * made, so there is never a destination.
 */
import type Stripe from "stripe";
import { TerminalError } from "#platform/errors";
import type {
  Outcome,
  PaymentLookup,
  ProviderCall,
  ProviderDeposit,
  ProviderPayment,
  ProviderRequest,
  Said,
} from "../../provider.ts";
import type { Ask, StripeClient } from "./client.ts";
import { findIn, madeBy } from "./made.ts";
import { secondsOf } from "./times.ts";
import { currencyOf, fromUnits, toChargeUnits } from "./units.ts";

export interface PaymentOptions {
  readonly client: StripeClient;
  readonly publishableKey: string | undefined;
  /** A bank debit can still be returned: it counts when confirmed, or when Stripe pays it out. */
  readonly bankDebits: "succeeded" | "available";
}

const expand = ["latest_charge.balance_transaction"];
/** Between our clock and Stripe's. */
const skewSeconds = 3_600;

export function createPayments(options: PaymentOptions) {
  const { client } = options;
  const { sdk } = client;
  const view = (intent: Stripe.PaymentIntent) => paymentOf(intent, options);
  return {
    createPayment: ({ key, request }: ProviderCall): Promise<Outcome<ProviderPayment>> =>
      client.call(async (ask) => {
        const params = intentParams(key, request);
        const intent = await ask((timeout) =>
          sdk.paymentIntents.create(params, { ...timeout, idempotencyKey: key }),
        );
        return view(intent);
      }),
    cancelPayment: ({ key, request }: ProviderCall): Promise<Outcome<ProviderPayment>> =>
      client.call(async (ask) =>
        view(
          await ask((timeout) =>
            sdk.paymentIntents.cancel(
              request.paymentRef,
              { expand },
              { ...timeout, idempotencyKey: key },
            ),
          ),
        ),
      ),
    getPayment: (objectId: string): Promise<Outcome<ProviderPayment>> =>
      client.read(async (ask) => view(await readIntent(sdk, objectId, ask))),
    findPayment: (lookup: PaymentLookup): Promise<Outcome<ProviderPayment | undefined>> =>
      client.read(async (ask) => {
        const found = await findIntent(client, lookup, ask);
        return found === undefined ? undefined : view(await readIntent(sdk, found.id, ask));
      }),
  };
}

export function readIntent(sdk: Stripe, id: string, ask: Ask): Promise<Stripe.PaymentIntent> {
  return ask((timeout) => sdk.paymentIntents.retrieve(id, { expand }, timeout));
}

function intentParams(key: string, request: ProviderRequest): Stripe.PaymentIntentCreateParams {
  const { operationId, escrowId, paymentId, amount, currency, descriptorSuffix } = request;
  return {
    amount: toChargeUnits(amount, currency),
    currency: currency.toLowerCase(),
    transfer_group: escrowId,
    metadata: { operationId, attemptKey: key, escrowId, paymentId },
    automatic_payment_methods: { enabled: true },
    ...(descriptorSuffix !== "" && { statement_descriptor_suffix: descriptorSuffix }),
  };
}

/** Intents cannot be listed by metadata: by the time they were made in, newest first. */
async function findIntent(
  { sdk, clock }: StripeClient,
  lookup: PaymentLookup,
  ask: Ask,
): Promise<Stripe.PaymentIntent | undefined> {
  const created = { gte: secondsOf(lookup.since, clock) - skewSeconds };
  return findIn(lookup, ask, (page, timeout) =>
    sdk.paymentIntents.list({ created, ...page }, timeout),
  );
}

function paymentOf(intent: Stripe.PaymentIntent, options: PaymentOptions): ProviderPayment {
  const { id, metadata, client_secret: clientSecret, last_payment_error: error } = intent;
  const { publishableKey } = options;
  const charge = chargeOf(intent);
  const status = statusOf(intent, charge, options);
  return {
    kind: "payment",
    objectId: id,
    ...madeBy(metadata),
    said: saidBy(intent),
    status,
    deposits: status === "succeeded" ? depositsOf(intent, charge) : [],
    fee: feeOf(charge),
    lastError: status === "requires_payment" ? (error?.code ?? undefined) : undefined,
    instructions: {
      ...(clientSecret !== null && { clientSecret }),
      ...(publishableKey !== undefined && { publishableKey }),
    },
  };
}

function saidBy({ amount, currency: named, transfer_group: group }: Stripe.PaymentIntent): Said {
  const currency = currencyOf(named);
  return { amount: fromUnits(amount, currency), currency, ...(group && { group }) };
}

function chargeOf({ latest_charge: charge }: Stripe.PaymentIntent): Stripe.Charge | undefined {
  return charge === null || typeof charge === "string" ? undefined : charge;
}

function statusOf(
  intent: Stripe.PaymentIntent,
  charge: Stripe.Charge | undefined,
  options: PaymentOptions,
): ProviderPayment["status"] {
  switch (intent.status) {
    case "requires_payment_method":
    case "requires_confirmation":
    case "requires_action":
    // Authorised is not received: an authorisation ends by itself in days.
    case "requires_capture":
      return "requires_payment";
    case "processing":
      return "processing";
    case "succeeded":
      return charge !== undefined && counts(charge, options) ? "succeeded" : "processing";
    case "canceled":
      return "cancelled";
    default:
      throw new TerminalError(`a payment intent is ${intent.status}, which we do not know`);
  }
}

/** Cards count at once; what a bank may still take back waits as the policy says. */
function counts(charge: Stripe.Charge, { bankDebits, client }: PaymentOptions): boolean {
  if (bankDebits === "succeeded" || charge.payment_method_details?.type === "card") return true;
  const movement = charge.balance_transaction;
  if (movement === null || typeof movement === "string") return false;
  return movement.available_on * 1_000 <= client.clock.wall().getTime();
}

/** What was received is the intent's own figure, never what was asked for. */
function depositsOf(
  intent: Stripe.PaymentIntent,
  charge: Stripe.Charge | undefined,
): readonly ProviderDeposit[] {
  const currency = currencyOf(intent.currency);
  const amount = fromUnits(intent.amount_received, currency);
  return charge === undefined || amount === 0n ? [] : [{ depositId: charge.id, amount, currency }];
}

/** Null at first: it comes with charge.updated. */
function feeOf(charge: Stripe.Charge | undefined): bigint | undefined {
  const movement = charge?.balance_transaction;
  if (charge === undefined || !movement || typeof movement === "string") return undefined;
  if (movement.currency !== charge.currency) {
    throw new TerminalError(`the charge ${charge.id} was settled in ${movement.currency}`);
  }
  return fromUnits(movement.fee, currencyOf(movement.currency));
}
