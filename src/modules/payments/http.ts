/**
 * The routes of payments: the buyer's payment, operators' retries, the books. What changes money is
 * a command on the log, as everywhere; reading goes to the tables.
 */
import { create, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { z } from "zod";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import {
  RenewPaymentSchema,
  RetryOperationSchema,
  ReverseTransferSchema,
} from "#gen/payments/v1/commands_pb";
import {
  RenewPaymentRequestSchema,
  RetryOperationRequestSchema,
  ReverseTransferRequestSchema,
} from "#gen/payments/v1/http_pb";
import type { Database } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import { instantOf } from "#platform/http/instant";
import { accepted, instant, minor, money } from "#platform/http/openapi/answers";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { commandHeaders, wishHeaders } from "#platform/http/openapi/headers";
import { idOf } from "#platform/http/path-id";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import { type Access, partiesAndOperators, standingTo } from "./access.ts";
import { paidByBuyer } from "./domain/payment.ts";
import { received } from "./domain/payment-status.ts";
import { accountBalances, escrowPostings, trialBalance } from "./ledger/ledger-views.ts";
import { type PaymentRow, paymentOf } from "./schema.ts";
import type { CommandSender } from "./send-command.ts";

const paymentAnswer = () =>
  z.object({
    paymentId: z.string(),
    provider: z.string(),
    status: z.string(),
    amount: money(),
    received: minor().describe(
      "Until all is paid: without what goes back. Then: without what went back, a refund under way still in it.",
    ),
    expiresAt: instant().optional(),
    lastError: z.string().optional(),
    nextAction: z.string().optional(),
    clientSecret: z.string().optional(),
    publishableKey: z.string().optional(),
    checkoutUrl: z.string().optional(),
    deposit: z
      .object({
        address: z.string(),
        chainId: z.string(),
        asset: z.string(),
        confirmations: z.string(),
        required: z.string().describe("Confirmations until it counts."),
      })
      .optional(),
  });
const posting = () =>
  z.object({
    transactionId: z.string(),
    debit: z.string(),
    credit: z.string(),
    amount: minor(),
    currency: z.string(),
    at: instant(),
    reason: z.string(),
  });
const ledger = () =>
  z.object({ postings: z.array(posting()), balances: z.record(z.string(), minor()) });
const trialBalanceAnswer = () =>
  z.object({
    currencies: z.record(
      z.string(),
      z.object({ accounts: z.record(z.string(), minor()), sum: minor().describe("Always 0.") }),
    ),
    violations: z.int().describe("Transactions that do not balance: 0."),
  });

export interface PaymentRouteOptions {
  readonly db: Database;
  readonly access: Access;
  readonly commands: CommandSender;
}

/** The service that created it sees what its members see. */
const readers = [...partiesAndOperators, "creator"] as const;

const docs = {
  getEscrowsPayment: {
    summary: "How to pay, and what was paid.",
    audience: "its buyer, and for the service that made the deal",
    answers: { 200: paymentAnswer },
  },
  postEscrowsPayment: {
    summary: "Ask anew how to pay.",
    audience: "its buyer",
    body: RenewPaymentRequestSchema,
    headers: commandHeaders,
    answers: {},
    command: true,
  },
  postPaymentsRetry: {
    summary: "Ask the provider again for what it refused.",
    roles: ["admin"],
    body: RetryOperationRequestSchema,
    headers: commandHeaders,
    answers: {},
    command: true,
  },
  postPaymentsReverse: {
    summary: "Take a transfer back from a seller; a second operator approves it.",
    roles: ["admin"],
    body: ReverseTransferRequestSchema,
    headers: wishHeaders,
    answers: { 202: accepted },
  },
  getEscrowsLedger: {
    summary: "A deal's postings and its accounts' balances.",
    query: { as_of: "as they stood at this instant" },
    answers: { 200: ledger },
  },
  getLedgerTrialBalance: {
    summary: "Every account's balance; each currency sums to zero.",
    roles: ["auditor", "admin"],
    query: { as_of: "as it stood at this instant" },
    answers: { 200: trialBalanceAnswer },
  },
} satisfies Record<string, RouteDoc>;

export function createPaymentRoutes(options: PaymentRouteOptions): Hono<HttpEnv> {
  const { db, access, commands } = options;
  const app = new Hono<HttpEnv>();

  app.get("/v1/escrows/:id/payment", documented(docs.getEscrowsPayment), async (c) => {
    const escrowId = idOf(c.req.param("id"));
    // The buyer's own, and his marketplace's, whose page he pays on.
    const row = await access.byEscrowId(escrowId, c.get("principal"), ["buyer", "creator"]);
    return c.json(paymentView(row));
  });
  app.post("/v1/escrows/:id/payment", documented(docs.postEscrowsPayment), async (c) => {
    const json = await readJson(c.req.raw);
    const { returnUrl, mode } = toMessage(RenewPaymentRequestSchema, json);
    if (mode === "hosted") {
      throw new HttpProblem("HOSTED_UNSUPPORTED", "No provider here has a page of its own.", {
        field: "mode",
      });
    }
    const row = await access.byEscrowId(idOf(c.req.param("id")), c.get("principal"), ["buyer"]);
    const value = create(RenewPaymentSchema, { returnUrl, mode });
    const body = { case: "renewPayment", value } as const;
    return commands.send(c, { json, escrowId: row.escrow_id, body });
  });
  app.post("/v1/payments/:id/retry", documented(docs.postPaymentsRetry), async (c) => {
    const json = await readJson(c.req.raw);
    toMessage(RetryOperationRequestSchema, json);
    const operationId = idOf(c.req.param("id"));
    const [operation] = await db.sql<{ escrow_id: string }>`
      SELECT escrow_id FROM payments.operation WHERE operation_id = ${operationId}`;
    if (operation === undefined) throw notFound();
    const value = create(RetryOperationSchema, { operationId });
    const body = { case: "retryOperation", value } as const;
    return commands.send(c, { json, escrowId: operation.escrow_id, body });
  });
  app.post("/v1/payments/:id/reverse", documented(docs.postPaymentsReverse), async (c) => {
    const json = await readJson(c.req.raw);
    const { amount } = toMessage(ReverseTransferRequestSchema, json);
    const transferOperationId = idOf(c.req.param("id"));
    const [transfer] = await db.sql<{ escrow_id: string; currency: string }>`
      SELECT o.escrow_id, p.currency FROM payments.operation o
      JOIN payments.payment p USING (escrow_no)
      WHERE o.operation_id = ${transferOperationId} AND o.kind IN ('TRANSFER', 'RETRANSFER')`;
    if (transfer === undefined) throw notFound();
    const { escrow_id: escrowId, currency } = transfer;
    const money = create(MoneySchema, { amount: BigInt(amount), currency });
    const value = create(ReverseTransferSchema, { transferOperationId, amount: money });
    return commands.ask(c, { json, escrowId, body: { case: "reverseTransfer", value } });
  });
  app.get("/v1/escrows/:id/ledger", documented(docs.getEscrowsLedger), async (c) => {
    const principal = c.get("principal");
    const row = await access.byEscrowId(idOf(c.req.param("id")), principal, readers);
    const standing = standingTo(row, principal);
    const whole = standing === "operator" || standing === "auditor";
    const asOf = instantOf(c.req.query("as_of"), "as_of");
    const alone = standing === "seller" && principal.onBehalfOf === undefined;
    const postings = await escrowPostings(db, row, { whole, debts: whole || alone }, asOf);
    return c.json({ postings, balances: await accountBalances(db, row, whole, asOf) });
  });
  app.get("/v1/ledger/trial-balance", documented(docs.getLedgerTrialBalance), async (c) => {
    return c.json(await trialBalance(db, instantOf(c.req.query("as_of"), "as_of")));
  });
  return app;
}

/** Money as strings; what is not known yet is absent. */
function paymentView(row: PaymentRow): JsonValue {
  const { instructions } = row;
  const payment = paymentOf(row);
  const paid = received(payment);
  const waits = row.status === "REQUIRES_PAYMENT" || row.status === "UNDERFUNDED";
  const asks = waits && row.provider_ref !== null && paid < paidByBuyer(payment);
  return {
    paymentId: row.payment_id,
    provider: row.provider,
    status: row.status,
    amount: { amount: paidByBuyer(payment).toString(), currency: row.currency },
    received: paid.toString(),
    ...(row.expires_at !== null && { expiresAt: row.expires_at.toISOString() }),
    ...(row.last_error !== null && { lastError: row.last_error }),
    // Before the provider has it, or while all of it is looked at, there is nothing to be done.
    ...(asks && { nextAction: paid > 0n ? "PAY_THE_REST" : "PAY" }),
    ...(instructions as JsonObject),
  };
}
