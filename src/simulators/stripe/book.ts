/**
 * What the simulated Stripe knows: every object by id in the order it came to be, its own clock,
 * and what it will do by itself later. Balances are sums over the book's own lines.
 */
import { randomBytes } from "node:crypto";
import type { Account, BalanceTransaction, StripeEvent, StripeObject } from "./objects.ts";
import { invalid, missing } from "./refusal.ts";

export interface BookOptions {
  readonly now: () => Date;
  readonly live: boolean;
  readonly apiVersion: string;
  /** What the platform's balance starts with in each currency, so that refunds need not wait. */
  readonly floatUnits: number;
  readonly events: (event: StripeEvent) => void;
}

export interface Book extends BookOptions {
  readonly objects: Map<string, StripeObject>;
  readonly eventList: StripeEvent[];
  /** Of a connected account, per currency: what reversals and payouts may take. */
  readonly available: Map<string, number>;
  /** Days until money of a charge is available; 0: at once. */
  settings: {
    availableAfterMs: number;
    feeAfterMs: number;
    payoutInterval: string;
    refunds: "succeeded" | "pending" | "failed";
    /** The endpoints that the platform's own list shows. */
    endpoints: readonly { readonly url: string; readonly api_version: string | null }[];
  };
  readonly platformAccount: string;
  id(prefix: string): string;
  seconds(): number;
  /** Done once that much of the book's time has passed. */
  later(afterMs: number, work: () => void): void;
  /** Does what is due; with `ahead` also what will be within that time. True: something was. */
  goOn(aheadMs?: number): boolean;
  add<T extends StripeObject>(object: T): T;
  say(type: string, object: StripeObject, account?: string): void;
}

interface Later {
  readonly atMs: number;
  readonly work: () => void;
}

export function createBook(options: BookOptions): Book {
  const run = randomBytes(4).toString("hex");
  let count = 0;
  let agenda: readonly Later[] = [];
  const book: Book = {
    ...options,
    objects: new Map(),
    eventList: [],
    available: new Map(),
    settings: {
      availableAfterMs: 0,
      feeAfterMs: 50,
      payoutInterval: "manual",
      refunds: "succeeded",
      endpoints: [],
    },
    platformAccount: `acct_${run}platform`,
    id: (prefix) => {
      count += 1;
      return `${prefix}_${run}${String(count).padStart(8, "0")}`;
    },
    seconds: () => Math.floor(options.now().getTime() / 1_000),
    later: (afterMs, work) => {
      agenda = [...agenda, { atMs: options.now().getTime() + afterMs, work }];
    },
    goOn: (aheadMs = 0) => {
      const until = options.now().getTime() + aheadMs;
      const due = agenda.filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs);
      agenda = agenda.filter((entry) => !due.includes(entry));
      for (const { work } of due) work();
      return due.length > 0;
    },
    add: (object) => {
      book.objects.set(object.id, object);
      return object;
    },
    say: (type, object, account) => {
      const event: StripeEvent = {
        id: book.id("evt"),
        object: "event",
        type,
        created: book.seconds(),
        livemode: options.live,
        api_version: options.apiVersion,
        ...(account !== undefined && { account }),
        data: { object: structuredClone(shown(book, object)) },
        request: null,
        pending_webhooks: 1,
      };
      // The platform's list holds nothing of connected accounts.
      if (account === undefined) book.eventList.push(event);
      options.events(event);
    },
  };
  return book;
}

/** As the API shows it: what Stripe keeps as a sub-list is made here. */
export function shown(book: Book, object: StripeObject): object {
  if (object.object === "transfer") {
    const data = all(book, "transfer_reversal").filter(({ transfer }) => transfer === object.id);
    const url = `/v1/transfers/${object.id}/reversals`;
    return { ...object, reversals: { object: "list", data, has_more: false, url } };
  }
  if (object.object === "payout") return { ...object, account: undefined };
  return object;
}

type Kind = StripeObject["object"];
type OfKind<K extends Kind> = Extract<StripeObject, { readonly object: K }>;

/** Newest first, as Stripe lists. */
export function all<K extends Kind>(book: Book, kind: K): OfKind<K>[] {
  const found = [...book.objects.values()].filter((object) => object.object === kind);
  return found.reverse() as OfKind<K>[];
}

export function get<K extends Kind>(book: Book, kind: K, id: string): OfKind<K> {
  const object = book.objects.get(id);
  if (object?.object !== kind) throw missing(kind, id);
  return object as OfKind<K>;
}

export interface Line {
  readonly amount: number;
  readonly fee?: number;
  readonly currency: string;
  readonly category: string;
  readonly type?: string;
  readonly source: string;
  readonly availableAfterMs?: number;
}

/** A line of the platform's own books. */
export function post(book: Book, line: Line): BalanceTransaction {
  const { amount, fee = 0, currency, category, source, availableAfterMs = 0 } = line;
  const created = book.seconds();
  return book.add({
    id: book.id("txn"),
    object: "balance_transaction",
    amount,
    fee,
    net: amount - fee,
    currency,
    created,
    available_on: created + Math.floor(availableAfterMs / 1_000),
    exchange_rate: null,
    reporting_category: category,
    type: line.type ?? category,
    source,
    status: availableAfterMs > 0 ? "pending" : "available",
    balance_type: "payments",
    description: null,
    fee_details: [],
  });
}

/** What the platform may pay out or refund now. */
export function platformAvailable(book: Book, currency: string): number {
  const now = book.seconds();
  return all(book, "balance_transaction")
    .filter((line) => line.currency === currency && (line.amount < 0 || line.available_on <= now))
    .reduce((total, { net }) => total + net, book.floatUnits);
}

/** Of charges whose money has not come yet. */
export function platformPending(book: Book, currency: string): number {
  const now = book.seconds();
  return all(book, "balance_transaction")
    .filter((line) => line.currency === currency && line.amount >= 0 && line.available_on > now)
    .reduce((total, { net }) => total + net, 0);
}

export function availableOf(book: Book, { id }: Pick<Account, "id">, currency: string): number {
  return book.available.get(`${id} ${currency}`) ?? 0;
}

export function credit(book: Book, account: string, currency: string, units: number): void {
  const key = `${account} ${currency}`;
  book.available.set(key, (book.available.get(key) ?? 0) + units);
}

export function unitsIn(text: string | undefined, param: string): number {
  if (text === undefined || !/^\d{1,12}$/.test(text)) throw invalid(param);
  const units = Number(text);
  if (units < 1) throw invalid(param, "Amounts are at least 1");
  return units;
}
