/** The custodian's own records of a time: its events and the lines of our balance. */
import type { z } from "zod";
import type { Clock } from "#platform/clock";
import type {
  PageRequest,
  PaymentProvider,
  ProviderMovement,
  VerifiedWebhook,
} from "../../provider.ts";
import { businessTime, realTime } from "../real-time.ts";
import { type Asset, bookable } from "./assets.ts";
import { type CustodianClient, mapped } from "./client.ts";
import { event, listOf, movement } from "./shapes.ts";

export interface ListOptions {
  readonly client: CustodianClient;
  readonly asset: Asset;
  readonly clock: Clock;
}

export function createLists({
  client,
  asset,
  clock,
}: ListOptions): Pick<PaymentProvider, "listEvents" | "listMovements"> {
  return {
    listEvents: async (request) => {
      const listed = await client.get(`/v1/events?${queryOf(request, clock)}`, listOf(event));
      return mapped(listed, ({ items, next }) => ({
        items: items.map(webhookOf),
        next: next ?? undefined,
      }));
    },
    listMovements: async (request) => {
      const listed = await client.get(`/v1/movements?${queryOf(request, clock)}`, listOf(movement));
      return mapped(listed, ({ items, next }) => ({
        items: items.flatMap((line) => movementOf(line, { asset, clock })),
        next: next ?? undefined,
      }));
    },
  };
}

function queryOf({ from, until, cursor }: PageRequest, clock: Clock): URLSearchParams {
  return new URLSearchParams({
    from: realTime(from, clock).toISOString(),
    until: realTime(until, clock).toISOString(),
    ...(cursor !== undefined && { cursor }),
  });
}

export function webhookOf(found: z.output<typeof event>): VerifiedWebhook {
  const { id, type, objectId, createdAt, live } = found;
  return {
    eventId: id,
    type,
    objectId,
    createdAt: new Date(createdAt),
    livemode: live,
    account: "",
  };
}

const categories: Readonly<Record<string, string>> = {
  deposit: "charge",
  deposit_reverted: "dispute",
  payout: "transfer",
  refund: "refund",
  return: "refund",
};

/** In our books' units; what is too little or too much for them is in neither book. */
function movementOf(
  line: z.output<typeof movement>,
  { asset, clock }: Pick<ListOptions, "asset" | "clock">,
): ProviderMovement[] {
  const out = line.amount.startsWith("-");
  const booked = bookable(asset, { ...line, amount: line.amount.replace("-", "") });
  if (booked === undefined) return [];
  const { currency, amount } = booked;
  return [
    {
      movementId: line.id,
      objectId: line.objectId,
      category: categories[line.category] ?? line.category,
      amount: out ? -amount : amount,
      fee: BigInt(line.fee),
      currency,
      at: businessTime(new Date(line.at), clock),
      exchanged: false,
    },
  ];
}
