/** Which request does what: the part of Stripe's API that holding money for others needs. */
import { accountLink, createAccount, platformAccount } from "./accounts.ts";
import { balance } from "./balance.ts";
import { all, type Book, get, shown } from "./book.ts";
import { type Form, listIn, textIn } from "./form.ts";
import { expanded, pageOf } from "./lists.ts";
import type { StripeObject } from "./objects.ts";
import { cancelIntent, createIntent } from "./payments.ts";
import { createRefund } from "./refunds.ts";
import { missing, Refusal } from "./refusal.ts";
import { createReversal, createTransfer, reversalOf } from "./transfers.ts";

export interface Asked {
  readonly form: Form;
  /** What the path's placeholders stand for, in order. */
  readonly ids: readonly string[];
  /** The connected account asked about. */
  readonly account: string | undefined;
  readonly path: string;
}

type Answer = (book: Book, asked: Asked) => object;

interface Route {
  readonly answer: Answer;
  /** What it takes; anything else is refused, as Stripe does. */
  readonly takes: readonly string[];
}

const paging = ["limit", "starting_after", "created", "expand"];

const routes: Readonly<Record<string, Route>> = {
  "POST /v1/payment_intents": made(
    (book, { form }) => createIntent(book, form),
    "amount currency transfer_group metadata automatic_payment_methods statement_descriptor_suffix transfer_data",
  ),
  "GET /v1/payment_intents": listed("payment_intent", "customer"),
  "GET /v1/payment_intents/:id": read("payment_intent"),
  "POST /v1/payment_intents/:id/cancel": made(
    (book, { ids }) => cancelIntent(book, ids[0] ?? ""),
    "cancellation_reason",
  ),
  "GET /v1/charges/:id": read("charge"),
  "POST /v1/transfers": made(
    (book, { form }) => createTransfer(book, form),
    "amount currency destination source_transaction transfer_group metadata description",
  ),
  "GET /v1/transfers": listed("transfer", "transfer_group destination"),
  "GET /v1/transfers/:id": read("transfer"),
  "POST /v1/transfers/:id/reversals": made(
    (book, { ids, form }) => createReversal(book, ids[0] ?? "", form),
    "amount metadata description refund_application_fee",
  ),
  "GET /v1/transfers/:id/reversals": {
    takes: paging,
    answer: (book, { ids, form, path }) => {
      const { id } = get(book, "transfer", ids[0] ?? "");
      const of = all(book, "transfer_reversal").filter(({ transfer }) => transfer === id);
      return pageOf(book, of, form, path);
    },
  },
  "GET /v1/transfers/:id/reversals/:id": made(
    (book, { ids }) => reversalOf(book, ids[0] ?? "", ids[1] ?? ""),
    "",
  ),
  "POST /v1/refunds": made(
    (book, { form }) => createRefund(book, form),
    "payment_intent charge amount reason metadata",
  ),
  "GET /v1/refunds": listed("refund", "payment_intent charge"),
  "GET /v1/refunds/:id": read("refund"),
  "GET /v1/disputes": listed("dispute", "payment_intent charge"),
  "GET /v1/disputes/:id": read("dispute"),
  "GET /v1/radar/early_fraud_warnings/:id": read("radar.early_fraud_warning"),
  "POST /v1/accounts": made(
    (book, { form }) => createAccount(book, form),
    "controller capabilities metadata country type email",
  ),
  "GET /v1/account": made((book) => platformAccount(book), ""),
  "GET /v1/accounts/:id": read("account"),
  "POST /v1/account_links": made(
    (book, { form }) => accountLink(book, form),
    "account type return_url refresh_url",
  ),
  "GET /v1/payouts/:id": {
    takes: ["expand"],
    answer: (book, { ids, account }) => {
      const payout = get(book, "payout", ids[0] ?? "");
      if (payout.account !== account) throw missing("payout", payout.id);
      return payout;
    },
  },
  "GET /v1/balance_transactions": listed("balance_transaction", "source type currency"),
  "GET /v1/balance_transactions/:id": read("balance_transaction"),
  "GET /v1/events": {
    takes: [...paging, "types", "type", "delivery_success"],
    answer: (book, { form, path }) => {
      const types = listIn(form, "types");
      const wanted = book.eventList.filter(
        ({ type }) => types.length === 0 || types.includes(type),
      );
      return pageOf(book, wanted.reverse(), form, path);
    },
  },
  "GET /v1/balance": made((book, { account }) => balance(book, account), ""),
  "GET /v1/balance_settings": made((book) => balanceSettings(book), ""),
  "GET /v1/webhook_endpoints": { takes: paging, answer: (book) => webhookEndpoints(book) },
};

function webhookEndpoints({ settings, live }: Book): object {
  const data = settings.endpoints.map((endpoint, index) => ({
    id: `we_${index}`,
    object: "webhook_endpoint",
    status: "enabled",
    livemode: live,
    enabled_events: ["*"],
    ...endpoint,
  }));
  return { object: "list", url: "/v1/webhook_endpoints", has_more: false, data };
}

function balanceSettings({ settings }: Book): object {
  const payouts = {
    automatic_transfer_rules_by_currency: null,
    minimum_balance_by_currency: null,
    schedule: { interval: settings.payoutInterval },
    statement_descriptor: null,
    status: "enabled",
  };
  const timing = { delay_days: 2, start_of_day: null };
  const payments = { debit_negative_balances: true, payouts, settlement_timing: timing };
  return { object: "balance_settings", payments };
}

function made(answer: Answer, takes: string): Route {
  return { answer, takes: [...takes.split(" ").filter(Boolean), "expand"] };
}

function read(kind: StripeObject["object"]): Route {
  return made((book, { ids }) => get(book, kind, ids[0] ?? ""), "");
}

/** Filtered by equal fields. */
function listed(kind: StripeObject["object"], filters: string): Route {
  const names = filters.split(" ");
  const answer: Answer = (book, { form, path }) => {
    const given = names.flatMap((name) => {
      const value = textIn(form, name);
      return value === undefined ? [] : [[name, value] as const];
    });
    const found = all(book, kind).filter((object) =>
      given.every(([name, value]) => Reflect.get(object, name) === value),
    );
    return pageOf(book, found, form, path);
  };
  return { answer, takes: [...names, ...paging] };
}

export interface Found {
  readonly name: string;
  readonly run: (book: Book, asked: Omit<Asked, "ids" | "path">) => object;
}

/** Throws Refusal for what there is not. */
export function findRoute(method: string, path: string): Found {
  const parts = path.split("/");
  for (const [name, route] of Object.entries(routes)) {
    const [verb, pattern = ""] = name.split(" ");
    const ids = verb === method ? match(pattern.split("/"), parts) : undefined;
    if (ids === undefined) continue;
    return { name, run: (book, asked) => run(book, route, { ...asked, ids, path }) };
  }
  throw new Refusal(`Unrecognized request URL (${method}: ${path})`, { status: 404 });
}

function match(pattern: readonly string[], parts: readonly string[]): string[] | undefined {
  if (pattern.length !== parts.length) return undefined;
  const ids: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (pattern[index] === ":id") ids.push(decodeURIComponent(part));
    else if (pattern[index] !== part) return undefined;
  }
  return ids;
}

function run(book: Book, { answer, takes }: Route, asked: Asked): object {
  const unknown = Object.keys(asked.form).find((name) => !takes.includes(name));
  if (unknown !== undefined) {
    throw new Refusal(`Received unknown parameter: ${unknown}`, {
      status: 400,
      code: "parameter_unknown",
      param: unknown,
    });
  }
  const object = answer(book, asked);
  if ("data" in object) return object;
  const paths = listIn(asked.form, "expand");
  const whole = "id" in object ? shown(book, object as StripeObject) : object;
  return expanded(book, whole, paths);
}
