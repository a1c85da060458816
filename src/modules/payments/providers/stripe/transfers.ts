/**
 * Transfers to sellers' accounts, drawn on the escrow's own charge so that one escrow never spends
 * another's money, and what is taken back of them. A transfer succeeds or fails in the call: no
 * event says later that it failed.
 */
import type Stripe from "stripe";
import type {
  Lookup,
  Outcome,
  ProviderCall,
  ProviderReversal,
  ProviderTransfer,
} from "../../provider.ts";
import { NotSent, RefusedHere, readFailure } from "./classify.ts";
import type { Ask, StripeClient } from "./client.ts";
import { readIntent } from "./intents.ts";
import { findIn, madeBy } from "./made.ts";
import { currencyOf, fromUnits, toUnits } from "./units.ts";

export function createTransfers({ client }: { readonly client: StripeClient }) {
  const { sdk } = client;
  return {
    createTransfer: ({ key, request }: ProviderCall): Promise<Outcome<ProviderTransfer>> =>
      client.call(async (ask) => {
        const params = await transferParams(sdk, { key, request }, ask);
        const options = { idempotencyKey: key };
        return transferOf(
          await ask((timeout) => sdk.transfers.create(params, { ...timeout, ...options })),
        );
      }),
    getTransfer: (objectId: string): Promise<Outcome<ProviderTransfer>> =>
      client.read(async (ask) =>
        transferOf(await ask((timeout) => sdk.transfers.retrieve(objectId, {}, timeout))),
      ),
    findTransfer: (lookup: Lookup): Promise<Outcome<ProviderTransfer | undefined>> =>
      client.read(async (ask) => {
        const group = { transfer_group: lookup.request.escrowId };
        const found = await findIn(lookup, ask, (page, timeout) =>
          sdk.transfers.list({ ...group, ...page }, timeout),
        );
        return found && transferOf(found);
      }),
    createReversal: ({ key, request }: ProviderCall): Promise<Outcome<ProviderReversal>> =>
      client.call(async (ask) => {
        const { target, operationId, amount, currency } = request;
        const params = {
          amount: toUnits(amount, currency),
          metadata: { operationId, attemptKey: key },
        };
        const options = { idempotencyKey: key };
        return reversalOf(
          await ask((timeout) =>
            sdk.transfers.createReversal(target, params, { ...timeout, ...options }),
          ),
        );
      }),
    getReversal: (objectId: string): Promise<Outcome<ProviderReversal>> =>
      client.read(async (ask) => reversalOf(await readReversal(sdk, objectId, ask))),
    findReversal: (lookup: Lookup): Promise<Outcome<ProviderReversal | undefined>> =>
      client.read(async (ask) => {
        const found = await findIn(lookup, ask, (page, timeout) =>
          sdk.transfers.listReversals(lookup.request.target, page, timeout),
        );
        return found && reversalOf(found);
      }),
  };
}

/** A reversal is read by way of its transfer, so its id here names both. */
export function reversalId(transferId: string, id: string): string {
  return `${transferId}/${id}`;
}

export function readReversal(
  sdk: Stripe,
  objectId: string,
  ask: Ask,
): Promise<Stripe.TransferReversal> {
  const [transferId = "", id = ""] = objectId.split("/");
  if (id === "") throw new RefusedHere(`${objectId} names no reversal`, "NOT_FOUND");
  return ask((timeout) => sdk.transfers.retrieveReversal(transferId, id, {}, timeout));
}

/** The charge is looked up each time: it is settled before anything can be transferred of it. */
async function transferParams(
  sdk: Stripe,
  { key, request: { paymentRef, target, operationId, escrowId, amount, currency } }: Lookup,
  ask: Ask,
): Promise<Stripe.TransferCreateParams> {
  if (target === "") throw new RefusedHere("the seller has no account", "SELLER_NOT_READY");
  const units = toUnits(amount, currency);
  const common = {
    amount: units,
    currency: currency.toLowerCase(),
    destination: target,
    metadata: { operationId, attemptKey: key, escrowId },
  };
  // Owed to the seller whatever it came from: out of our own balance.
  if (paymentRef === "") return { ...common, transfer_group: escrowId };
  const intent = await readIntent(sdk, paymentRef, ask).catch(notSent);
  const { latest_charge: charge, status } = intent;
  if (charge === null || status !== "succeeded") {
    throw new RefusedHere(`the payment ${paymentRef} has no charge to draw on`);
  }
  return {
    ...common,
    // Not more than the charge, and not before it is there; its transfer group comes along.
    source_transaction: typeof charge === "string" ? charge : charge.id,
  };
}

/** Only "it is not there" is about this transfer. */
function notSent(error: unknown): never {
  const failure = readFailure(error);
  if (failure.kind === "refused") throw error;
  throw new NotSent("the payment could not be read", { cause: error });
}

function transferOf(transfer: Stripe.Transfer): ProviderTransfer {
  const { id, metadata, amount, destination, transfer_group: group } = transfer;
  const currency = currencyOf(transfer.currency);
  const target = typeof destination === "string" ? destination : destination?.id;
  return {
    kind: "transfer",
    objectId: id,
    ...madeBy(metadata),
    said: {
      amount: fromUnits(amount, currency),
      currency,
      ...(target && { target }),
      ...(group && { group }),
    },
    status: "succeeded",
    fee: undefined,
  };
}

function reversalOf({
  id,
  transfer,
  amount,
  currency,
  metadata,
}: Stripe.TransferReversal): ProviderReversal {
  const target = typeof transfer === "string" ? transfer : transfer.id;
  const taken = fromUnits(amount, currencyOf(currency));
  return {
    kind: "reversal",
    objectId: reversalId(target, id),
    ...madeBy(metadata),
    said: { amount: taken, currency: currencyOf(currency), target },
    status: "succeeded",
    amount: taken,
  };
}
