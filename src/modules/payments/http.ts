/**
 * The routes of payments: the buyer's payment, operators' retries, the books. What changes money is
 * a command on the log, as everywhere; reading goes to the tables.
 */
import { create, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Context, Hono } from "hono";
import {
  type Command,
  CommandSchema,
  RenewPaymentSchema,
  RetryOperationSchema,
} from "#gen/payments/v1/commands_pb";
import { RenewPaymentRequestSchema, RetryOperationRequestSchema } from "#gen/payments/v1/http_pb";
import { generateCommandEventId } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import { TransientError } from "#platform/errors";
import { requireRole } from "#platform/http/auth";
import { readJson, toMessage } from "#platform/http/body";
import { fingerprintOf, idempotencyKeyOf } from "#platform/http/idempotency";
import { actorOf, principalKey } from "#platform/http/principal";
import { notFound, unavailable } from "#platform/http/problem";
import type { Publisher } from "#platform/messaging/publisher";
import type { HttpEnv } from "#platform/module";
import { topics } from "#topics";
import { type Access, anyStanding, standingOf } from "./access.ts";
import { accountBalances, escrowPostings, trialBalance } from "./ledger-views.ts";
import type { PaymentRow } from "./schema.ts";

export interface PaymentRouteOptions {
  readonly db: Database;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly fingerprintKey: Uint8Array;
  readonly access: Access;
}

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;
const publishMs = 5_000;

export function createPaymentRoutes(options: PaymentRouteOptions): Hono<HttpEnv> {
  const { db, access } = options;
  const app = new Hono<HttpEnv>();

  app.get("/v1/escrows/:id/payment", async (c) => {
    const row = await access.byEscrowId(idOf(c.req.param("id")), c.get("principal"), ["buyer"]);
    return c.json(paymentView(row));
  });
  app.post("/v1/escrows/:id/payment", async (c) => {
    const json = await readJson(c.req.raw);
    const { returnUrl, mode } = toMessage(RenewPaymentRequestSchema, json);
    const row = await access.byEscrowId(idOf(c.req.param("id")), c.get("principal"), ["buyer"]);
    const value = create(RenewPaymentSchema, { returnUrl, mode });
    return send(c, json, row.escrow_id, { case: "renewPayment", value }, options);
  });
  app.post("/v1/payments/:id/retry", async (c) => {
    requireRole(c.get("principal"), "admin");
    const json = await readJson(c.req.raw);
    toMessage(RetryOperationRequestSchema, json);
    const operationId = idOf(c.req.param("id"));
    const [operation] = await db.sql<{ escrow_id: string }>`
      SELECT escrow_id FROM payments.operation WHERE operation_id = ${operationId}`;
    if (operation === undefined) throw notFound();
    const value = create(RetryOperationSchema, { operationId });
    return send(c, json, operation.escrow_id, { case: "retryOperation", value }, options);
  });
  app.get("/v1/escrows/:id/ledger", async (c) => {
    const principal = c.get("principal");
    const row = await access.byEscrowId(idOf(c.req.param("id")), principal, anyStanding);
    const whole = standingOf(row, principal) === "operator";
    const postings = await escrowPostings(db, row, whole);
    return c.json({ postings, balances: await accountBalances(db, row, whole) });
  });
  app.get("/v1/ledger/trial-balance", async (c) => {
    requireRole(c.get("principal"), "auditor", "admin");
    return c.json(await trialBalance(db));
  });
  return app;
}

async function send(
  c: Context<HttpEnv>,
  json: JsonObject,
  escrowId: string,
  body: Command["body"],
  { publisher, clock, fingerprintKey }: PaymentRouteOptions,
): Promise<Response> {
  const principal = c.get("principal");
  const key = idempotencyKeyOf(c.req.raw);
  const type = body.case ?? "";
  const commandId = generateCommandEventId(escrowId, type, principalKey(principal), key);
  const fingerprint = fingerprintOf(fingerprintKey, `${c.req.method} ${c.req.path}`, json);
  const correlationId = c.get("correlationId");
  const message = create(CommandSchema, {
    commandId,
    escrowId,
    actor: actorOf(principal),
    fingerprint,
    correlationId,
    sentAt: timestampFromDate(clock.now()),
    clockOffsetMs: clock.offsetMs(),
    body,
  });
  try {
    const outgoing = { topic: topics.paymentsCommands, message, correlationId, causationId: "" };
    await publisher.publish(outgoing, publishMs);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    const detail = "The command may have been accepted: repeat it with the same Idempotency-Key.";
    throw unavailable({ extra: { commandId, escrowId }, cause: error }, detail);
  }
  const location = `/v1/commands/${commandId}?f=${fingerprint}`;
  return c.json({ commandId, escrowId, status: "pending" }, 202, { Location: location });
}

/** Money as strings; what is not known yet is absent. */
function paymentView(row: PaymentRow): JsonValue {
  const { instructions } = row;
  return {
    paymentId: row.payment_id,
    provider: row.provider,
    status: row.status,
    amount: { amount: (row.amount + row.buyer_fee).toString(), currency: row.currency },
    received: row.funded.toString(),
    ...(row.expires_at !== null && { expiresAt: row.expires_at.toISOString() }),
    ...(row.last_error !== null && { lastError: row.last_error }),
    ...(row.status === "REQUIRES_PAYMENT" && { nextAction: "PAY" }),
    ...(row.status === "UNDERFUNDED" && { nextAction: "PAY_THE_REST" }),
    ...(instructions as JsonObject),
  };
}

function idOf(text: string | undefined): string {
  if (text === undefined || !idPattern.test(text)) throw notFound();
  return text;
}
