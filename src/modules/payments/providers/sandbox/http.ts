/**
 * POST /sandbox/payments/:id/pay and /sandbox/parties/:id/readiness: the outside world, played. What
 * follows reaches the product by a signed webhook over HTTP, not from here.
 */
import { Hono } from "hono";
import { z } from "zod";
import {
  SandboxMovementRequestSchema,
  SandboxPayRequestSchema,
  SandboxReadinessRequestSchema,
} from "#gen/payments/v1/http_pb";
import type { Standing } from "#kernel/standing";
import { requireRole } from "#platform/http/auth";
import { readJson, toMessage } from "#platform/http/body";
import { documented } from "#platform/http/openapi/documented";
import { headerOf } from "#platform/http/openapi/headers";
import { HttpProblem, notFound, unavailable } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import { type Access, partiesAndOperators, standingTo } from "../../access.ts";
import type { PartyAccess } from "../../parties/party-access.ts";
import type { Bank, PayOutcome } from "./bank.ts";
import { methodRequired } from "./method-required.ts";

const played = () =>
  z.object({
    paymentId: z.string().optional(),
    outcome: z.string().optional(),
    status: z.literal("accepted"),
  });
const readiness = () => z.object({ partyId: z.string(), ready: z.boolean() });

export interface SandboxRouteOptions {
  readonly access: Access;
  readonly partyAccess: PartyAccess;
  readonly bank: Bank;
  /** Something is to be confirmed or delivered. */
  readonly onPlayed: () => void;
}

const payers: readonly Standing[] = [...partiesAndOperators, "creator"];
const largest = 1_000_000_000_000_000n;

export function createSandboxRoutes(options: SandboxRouteOptions): Hono<HttpEnv> {
  const { access, partyAccess, bank, onPlayed } = options;
  const app = new Hono<HttpEnv>();
  app.post(
    "/sandbox/payments/:id/pay",
    documented({
      summary: "Play the buyer's bank.",
      body: SandboxPayRequestSchema,
      headers: { "Idempotency-Key": "optional" },
      answers: { 202: played },
    }),
    async (c) => {
      const body = toMessage(SandboxPayRequestSchema, await readJson(c.req.raw));
      const principal = c.get("principal");
      const row = await access.byPaymentId(c.req.param("id"), principal, payers);
      const standing = standingTo(row, principal);
      // An auditor sees it and changes nothing.
      if (standing === "auditor") requireRole(principal, "admin");
      if (standing === "seller") throw new HttpProblem("NOT_THE_BUYER", "The buyer pays.");
      const outcome = (body.outcome || "succeed") as PayOutcome;
      const amount = body.amount === "" ? undefined : BigInt(body.amount);
      if (amount !== undefined && (amount === 0n || amount > largest)) {
        throw new HttpProblem("AMOUNT", "Must be more than 0.", { field: "amount" });
      }
      if (row.provider !== "sandbox") throw notFound();
      if (row.provider_ref === null) {
        throw unavailable({}, "The provider is still opening this payment: try again.");
      }
      const key = headerOf(c, "Idempotency-Key");
      const done = await bank.pay(row.provider_ref, outcome, amount, key);
      if (done === "unknown") throw notFound();
      if (done === "paid") {
        throw new HttpProblem("ALREADY_FUNDED", "Nothing is missing: send an amount to pay more.");
      }
      onPlayed();
      return c.json({ paymentId: row.payment_id, outcome, status: "accepted" }, 202);
    },
  );
  app.post(
    "/sandbox/movements",
    documented({
      summary: "Put a line into the provider's book that ours lacks.",
      roles: ["admin"],
      body: SandboxMovementRequestSchema,
      headers: { "Idempotency-Key": "optional" },
      answers: { 202: played },
    }),
    async (c) => {
      const { amount, ...line } = toMessage(
        SandboxMovementRequestSchema,
        await readJson(c.req.raw),
      );
      const key = headerOf(c, "Idempotency-Key") ?? c.get("correlationId");
      await bank.adjust({ ...line, amount: BigInt(amount) }, key);
      return c.json({ status: "accepted" }, 202);
    },
  );
  app.post(
    "/sandbox/parties/:id/readiness",
    documented({
      summary: "Make a seller ready to be paid, or not.",
      body: SandboxReadinessRequestSchema,
      answers: { 202: readiness },
    }),
    async (c) => {
      const { ready } = toMessage(SandboxReadinessRequestSchema, await readJson(c.req.raw));
      const partyId = c.req.param("id");
      const standing = await partyAccess.standing(partyId, c.get("principal"));
      if (standing !== "self" && standing !== "operator" && standing !== "keeper") throw notFound();
      if (!(await bank.setReady(partyId, ready))) throw methodRequired(partyId);
      onPlayed();
      return c.json({ partyId, ready }, 202);
    },
  );
  return app;
}
