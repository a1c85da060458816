/** The simulated custodian's resources by route: from a parsed body to what is shown. */
import { z } from "zod";
import type { Book } from "./book.ts";
import { closeAddress, openAddress } from "./chain.ts";
import { register, withdraw } from "./payouts.ts";
import { Refusal } from "./refusal.ts";

const text = z.string().min(1).max(200);
const units = z.string().regex(/^[1-9][0-9]{0,77}$/);
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const newAddress = z.strictObject({
  reference: text,
  group: text,
  chainId: text,
  token: address,
  amount: units,
  confirmations: z.number().int().min(1).max(1_000),
});
const newWithdrawal = z.strictObject({
  reference: text,
  kind: z.enum(["payout", "refund", "return"]),
  group: text,
  source: text,
  deposit: z.string().max(200),
  to: address,
  token: address,
  amount: units,
});
const newPayoutAddress = z.strictObject({ address, party: text, chainId: text });

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
}

interface Shown {
  readonly status: number;
  readonly value: unknown;
}

/** Throws Refusal where there is nothing, or nothing may be done. */
export function route(book: Book, { method, url, body }: Asked): Shown {
  const [, version, collection = "", id = "", action = ""] = url.pathname.split("/");
  if (version !== "v1") throw new Refusal(404, "NOT_FOUND");
  const name = `${method} ${collection}${id === "" ? "" : "/:id"}${action === "" ? "" : `/${action}`}`;
  switch (name) {
    case "POST deposit-addresses":
      return made(openAddress(book, parsed(newAddress, body)));
    case "POST deposit-addresses/:id/close":
      return { status: 200, value: closeAddress(book, id) };
    case "GET deposit-addresses/:id":
      return found(book.addresses.get(id));
    case "GET deposit-addresses":
      return listed([...book.addresses.values()].filter(inGroup(url)));
    case "POST withdrawals":
      return made(withdraw(book, parsed(newWithdrawal, body)));
    case "GET withdrawals/:id":
      return found(book.withdrawals.get(id));
    case "GET withdrawals":
      return listed([...book.withdrawals.values()].filter(inGroup(url)));
    case "GET deposits/:id":
      return found(depositOf(book, id));
    case "GET reversions/:id": {
      const gone = depositOf(book, book.reversions.get(id) ?? "");
      return found(gone && { ...gone, id, deposit: gone.id });
    }
    case "POST addresses": {
      const asked = parsed(newPayoutAddress, body);
      return made(register(book, asked.address, asked.party));
    }
    case "GET addresses/:id":
      return found(book.payoutAddresses.get(id));
    case "GET events":
      return page(book.events, ({ createdAt }) => createdAt, url);
    case "GET movements":
      return page(book.movements, ({ at }) => at, url);
    default:
      throw new Refusal(404, "NOT_FOUND");
  }
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (!result.success) throw new Refusal(400, "INVALID");
  return result.data;
}

function made(value: unknown): Shown {
  return { status: 201, value };
}

function found(value: unknown): Shown {
  if (value === undefined) throw new Refusal(404, "NOT_FOUND");
  return { status: 200, value };
}

function listed(items: readonly unknown[]): Shown {
  return { status: 200, value: { items, next: null } };
}

function inGroup(url: URL) {
  const group = url.searchParams.get("group");
  return (item: { readonly group: string }) => item.group === group;
}

/** A deposit with the address it came to. */
function depositOf({ addresses }: Book, id: string) {
  for (const there of addresses.values()) {
    const deposit = there.deposits.find((candidate) => candidate.id === id);
    if (deposit !== undefined) return { ...deposit, depositAddress: there.id };
  }
  return undefined;
}

const pageSize = 50;

/** The cursor is how many of the window were shown. */
function page<T>(all: readonly T[], at: (item: T) => string, { searchParams }: URL): Shown {
  const [from, until] = [searchParams.get("from") ?? "", searchParams.get("until") ?? ""];
  const window = all.filter((item) => at(item) >= from && at(item) < until);
  const begin = Number(searchParams.get("cursor") ?? "0");
  const end = begin + pageSize;
  const next = end < window.length ? end.toString() : null;
  return { status: 200, value: { items: window.slice(begin, end), next } };
}
