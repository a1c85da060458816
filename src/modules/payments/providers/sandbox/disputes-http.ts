/**
 * The outside world that wants its money back, played: banks' disputes, fraud warnings, refunds on
 * the provider's own pages, payouts to sellers' banks. What follows arrives by signed webhook.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import {
  SandboxCloseDisputeRequestSchema,
  SandboxDisputeRequestSchema,
  SandboxPayoutRequestSchema,
  SandboxRefundRequestSchema,
  SandboxWarnRequestSchema,
} from "#gen/payments/v1/http_pb";
import { readJson, toMessage } from "#platform/http/body";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { headerOf } from "#platform/http/openapi/headers";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv, Principal } from "#platform/module";
import { type Access, partiesAndOperators, standingTo } from "../../access.ts";
import type { PartyAccess } from "../../parties/party-access.ts";
import type { PaymentRow } from "../../schema.ts";
import type { DisputeOutcome, DisputingBank } from "./bank-disputes.ts";
import { methodRequired } from "./method-required.ts";

const playedAnswer = () =>
  z.object({
    disputeId: z.string().optional(),
    warningId: z.string().optional(),
    refundId: z.string().optional(),
    payoutId: z.string().optional(),
    status: z.literal("accepted"),
  });

export interface SandboxDisputeRouteOptions {
  readonly access: Access;
  readonly partyAccess: PartyAccess;
  readonly bank: DisputingBank;
  /** Something is to be delivered. */
  readonly onPlayed: () => void;
}

const docs = {
  postPaymentsDispute: {
    summary: "Play a bank that takes money back.",
    audience: "operators and the marketplace's own key",
    body: SandboxDisputeRequestSchema,
    headers: { "Idempotency-Key": "optional" },
    answers: { 202: playedAnswer },
  },
  postDisputesClose: {
    summary: "Play its decision.",
    audience: "operators and the marketplace's own key",
    body: SandboxCloseDisputeRequestSchema,
    answers: { 202: playedAnswer },
  },
  postPaymentsWarn: {
    summary: "Play a warning of fraud.",
    audience: "operators and the marketplace's own key",
    body: SandboxWarnRequestSchema,
    answers: { 202: playedAnswer },
  },
  postPaymentsRefund: {
    summary: "Play a refund on the provider's own page.",
    audience: "operators and the marketplace's own key",
    body: SandboxRefundRequestSchema,
    headers: { "Idempotency-Key": "optional" },
    answers: { 202: playedAnswer },
  },
  postPartiesPayout: {
    summary: "Play a payout to a seller's bank.",
    body: SandboxPayoutRequestSchema,
    headers: { "Idempotency-Key": "optional" },
    answers: { 202: playedAnswer },
  },
} satisfies Record<string, RouteDoc>;

export function createSandboxDisputeRoutes(options: SandboxDisputeRouteOptions): Hono<HttpEnv> {
  const { access, partyAccess, bank, onPlayed } = options;
  const app = new Hono<HttpEnv>();

  /** The provider's id of a payment the caller may play with. */
  async function paymentOf(c: Context<HttpEnv>): Promise<string> {
    const principal = c.get("principal");
    const row = await access.byPaymentId(c.req.param("id") ?? "", principal, mayLook);
    playsBank(row, principal);
    if (row.provider !== "sandbox" || row.provider_ref === null) throw notFound();
    return row.provider_ref;
  }
  const played = (c: Context<HttpEnv>, name: string, id: string | undefined) => {
    if (id === undefined) throw notFound();
    onPlayed();
    return c.json({ [name]: id, status: "accepted" }, 202);
  };

  app.post("/sandbox/payments/:id/dispute", documented(docs.postPaymentsDispute), async (c) => {
    const body = toMessage(SandboxDisputeRequestSchema, await readJson(c.req.raw));
    const { reason, inquiry } = body;
    const dispute = { amount: amountOf(body.amount), reason: reason || "fraudulent", inquiry };
    const id = await bank.dispute(await paymentOf(c), dispute, keyOf(c));
    return played(c, "disputeId", id);
  });
  app.post("/sandbox/disputes/:id/close", documented(docs.postDisputesClose), async (c) => {
    const body = toMessage(SandboxCloseDisputeRequestSchema, await readJson(c.req.raw));
    const disputeId = c.req.param("id");
    const escrowId = await bank.escrowOf(disputeId);
    if (escrowId === undefined) throw notFound();
    const principal = c.get("principal");
    playsBank(await access.byEscrowId(escrowId, principal, mayLook), principal);
    const found = await bank.close(disputeId, body.outcome as DisputeOutcome);
    return played(c, "disputeId", found ? disputeId : undefined);
  });
  app.post("/sandbox/payments/:id/warn", documented(docs.postPaymentsWarn), async (c) => {
    const { closed } = toMessage(SandboxWarnRequestSchema, await readJson(c.req.raw));
    return played(c, "warningId", await bank.warn(await paymentOf(c), !closed));
  });
  app.post("/sandbox/payments/:id/refund", documented(docs.postPaymentsRefund), async (c) => {
    const body = toMessage(SandboxRefundRequestSchema, await readJson(c.req.raw));
    const id = await bank.refund(await paymentOf(c), amountOf(body.amount), keyOf(c));
    return played(c, "refundId", id);
  });
  app.post("/sandbox/parties/:id/payout", documented(docs.postPartiesPayout), async (c) => {
    const body = toMessage(SandboxPayoutRequestSchema, await readJson(c.req.raw));
    const partyId = c.req.param("id");
    const standing = await partyAccess.standing(partyId, c.get("principal"));
    if (standing !== "self" && standing !== "operator" && standing !== "keeper") throw notFound();
    const outcome = body.outcome === "failed" ? "failed" : "paid";
    const payout = {
      amount: amountOf(body.amount),
      currency: body.currency || "USD",
      outcome,
    } as const;
    const paidOut = await bank.payOut(partyId, payout, keyOf(c));
    if ("id" in paidOut) return played(c, "payoutId", paidOut.id);
    if (paidOut.missing === "account") throw methodRequired(partyId);
    throw new HttpProblem(
      "NOTHING_TO_PAY_OUT",
      `At the sandbox there is nothing for ${partyId} in ${payout.currency}.`,
    );
  });
  return app;
}

const mayLook = [...partiesAndOperators, "creator"] as const;

/** Operators, and a marketplace's backend by its key: no party takes its own money back. */
function playsBank(row: PaymentRow, principal: Principal): void {
  const standing = standingTo(row, principal);
  if (standing === "operator") return;
  if (standing === "creator" && principal.keyId !== undefined) return;
  throw new HttpProblem("ROLE_REQUIRED", "Needs role admin, or the marketplace's own key.");
}

function amountOf(text: string): bigint | undefined {
  return text === "" ? undefined : BigInt(text);
}

/** The same request again is the same event. */
function keyOf(c: Context<HttpEnv>): string {
  return headerOf(c, "Idempotency-Key") ?? c.get("correlationId");
}
