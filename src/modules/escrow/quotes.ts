/**
 * GET /v1/quotes: what a deal of an amount would cost each side, computed by the very function that
 * pins the terms, so that a quote never promises what a creation then refuses.
 */
import { create } from "@bufbuild/protobuf";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { CommandRejected_Code as Code } from "#gen/escrow/v1/events_pb";
import { MoneySchema, type Terms, Terms_FeeRefund, TermsSchema } from "#gen/escrow/v1/types_pb";
import { minor, money } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import { HttpProblem } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { Rules } from "./domain/messages.ts";
import { prepareTerms } from "./domain/terms.ts";

const quote = () =>
  z.object({
    amount: money(),
    fees: z.object({ buyer: minor(), seller: minor(), total: minor() }),
    buyerPays: minor(),
    sellerReceives: minor(),
    provider: z.string(),
    feeRefund: z.string(),
  });

export type QuoteOptions = Pick<Rules, "fees" | "routing">;

const parameters = ["amount", "currency"];

export function createQuoteRoutes(options: QuoteOptions): Hono<HttpEnv> {
  return new Hono<HttpEnv>().get(
    "/v1/quotes",
    documented({
      summary: "What a deal of this amount would cost either side.",
      query: { amount: "minor units", currency: "three to five capitals" },
      answers: { 200: quote },
    }),
    (c) => {
      const money = moneyOf(c);
      const { buyerFee, sellerFee, provider, feeRefund } = agreeable(money, options);
      const { amount, currency } = money;
      return c.json({
        amount: { amount: String(amount), currency },
        fees: {
          buyer: String(buyerFee),
          seller: String(sellerFee),
          total: String(buyerFee + sellerFee),
        },
        buyerPays: String(amount + buyerFee),
        sellerReceives: String(amount - sellerFee),
        provider,
        feeRefund: Terms_FeeRefund[feeRefund],
      });
    },
  );
}

interface Amount {
  readonly amount: bigint;
  readonly currency: string;
}

function moneyOf(c: Context<HttpEnv>): Amount {
  const given = c.req.queries();
  for (const [name, values] of Object.entries(given)) {
    if (parameters.includes(name) && values.length === 1) continue;
    throw new HttpProblem("UNKNOWN_PARAMETER", "amount and currency, once each.", { field: name });
  }
  const [amount = "", currency = ""] = parameters.map((name) => given[name]?.[0]);
  if (!/^[1-9][0-9]{0,15}$/.test(amount)) {
    const detail = "Must be a whole number of minor units from 1 to 10^15.";
    throw new HttpProblem("AMOUNT", detail, { field: "amount" });
  }
  if (!/^[A-Z]{3,5}$/.test(currency)) {
    throw new HttpProblem("INVALID_FIELD", "Must be a currency's code.", { field: "currency" });
  }
  return { amount: BigInt(amount), currency };
}

/** As the decider would complete them. */
function agreeable(money: Amount, options: QuoteOptions): Terms {
  const parties = { buyerId: "buyer", sellerId: "seller" };
  const amount = create(MoneySchema, money);
  const prepared = prepareTerms(create(TermsSchema, { ...parties, amount }), options);
  if ("terms" in prepared) return prepared.terms;
  const { code, detail } = prepared.rejected;
  const field = code === Code.CURRENCY_UNSUPPORTED ? "currency" : "amount";
  throw new HttpProblem(Code[code], detail, { field });
}
