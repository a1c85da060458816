/**
 * Stripe's own lists: the events of a time, for what no webhook brought, and the lines of its
 * books, for reconciliation. The platform's lists hold nothing of connected accounts.
 */
import type Stripe from "stripe";
import type {
  Outcome,
  Page,
  PageRequest,
  ProviderMovement,
  VerifiedWebhook,
} from "../../provider.ts";
import type { StripeClient } from "./client.ts";
import { readEvent, sweptTypes } from "./events.ts";
import { idOf } from "./foreign.ts";
import { fromSeconds, windowOf } from "./times.ts";
import { reversalId } from "./transfers.ts";
import { currencyOf, fromUnits } from "./units.ts";
import { webhookOf } from "./webhooks.ts";

const pageSize = 100;

export function createLists({ client }: { readonly client: StripeClient }) {
  const { sdk, clock } = client;
  return {
    /** Thirty days is as far back as Stripe goes. */
    listEvents: (request: PageRequest): Promise<Outcome<Page<VerifiedWebhook>>> =>
      client.read(async (ask) => {
        const params = { ...pageOf(request), types: [...sweptTypes] };
        const page = await ask((timeout) => sdk.events.list(params, timeout));
        return pageOfItems(page, (event) => {
          const read = readEvent(event);
          return read === undefined ? [] : [webhookOf(read)];
        });
      }),
    listMovements: (request: PageRequest): Promise<Outcome<Page<ProviderMovement>>> =>
      client.read(async (ask) => {
        const params = { ...pageOf(request), expand: ["data.source"] };
        const page = await ask((timeout) => sdk.balanceTransactions.list(params, timeout));
        return pageOfItems(page, (line) => [movementOf(line, client)]);
      }),
  };

  function pageOf({ from, until, cursor }: PageRequest) {
    return {
      created: windowOf({ from, until }, clock),
      limit: pageSize,
      ...(cursor !== undefined && { starting_after: cursor }),
    };
  }
}

function pageOfItems<S extends { readonly id: string }, T>(
  { data, has_more: more }: { readonly data: readonly S[]; readonly has_more: boolean },
  read: (item: S) => readonly T[],
): Page<T> {
  return { items: data.flatMap(read), next: more ? data.at(-1)?.id : undefined };
}

function movementOf(line: Stripe.BalanceTransaction, { clock }: StripeClient): ProviderMovement {
  const currency = currencyOf(line.currency);
  return {
    movementId: line.id,
    objectId: objectIdOf(line.source),
    category: line.reporting_category,
    amount: fromUnits(line.amount, currency),
    fee: fromUnits(line.fee, currency),
    currency,
    at: fromSeconds(line.created, clock),
    exchanged: line.exchange_rate !== null,
  };
}

/** By the id under which we know it; "" for what we never meet. */
function objectIdOf(source: Stripe.BalanceTransaction["source"]): string {
  if (source === null || typeof source === "string") return source ?? "";
  switch (source.object) {
    case "charge":
      return idOf(source.payment_intent) ?? source.id;
    case "transfer_reversal":
      return reversalId(idOf(source.transfer) ?? "", source.id);
    case "refund":
    case "transfer":
    case "dispute":
      return source.id;
    default:
      return "";
  }
}
