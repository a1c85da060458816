/**
 * What was taken back, for those it concerns: an escrow's disputes, sellers' debts and payouts. And
 * the operators' last word on a debt, which takes two of them.
 */

import { create } from "@bufbuild/protobuf";
import { type Context, Hono } from "hono";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import {
  DecideReviewSchema,
  DecideReview_Decision as Decision,
  WriteOffDebtSchema,
} from "#gen/payments/v1/commands_pb";
import { ClearDisputeRequestSchema, WriteOffDebtRequestSchema } from "#gen/payments/v1/http_pb";
import type { Database } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import { accepted } from "#platform/http/openapi/answers";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { commandHeaders, wishHeaders } from "#platform/http/openapi/headers";
import { partyPattern } from "#platform/http/path-id";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import { type Access, partiesAndOperators } from "../access.ts";
import { type PartyAccess, type PartyStanding, scopeOf } from "../parties/party-access.ts";
import { payoutsOf } from "../parties/payouts.ts";
import type { CommandSender } from "../send-command.ts";
import { debts, disputes, payouts } from "./dispute-answers.ts";
import { debtsOf, disputesOf, escrowOfDebt, escrowOfDispute } from "./dispute-views.ts";

export interface DisputeRouteOptions {
  readonly db: Database;
  readonly access: Access;
  readonly partyAccess: PartyAccess;
  readonly commands: CommandSender;
}

// A debt is one sum over all the party's escrows, those of other services too.
const debtReaders: readonly PartyStanding[] = ["self", "operator", "keeper", "reader"];
const payoutReaders: readonly PartyStanding[] = [...debtReaders, "service"];

const docs = {
  getEscrowsDisputes: {
    summary: "What banks took back of this deal.",
    answers: { 200: disputes },
  },
  postDisputesClear: {
    summary:
      "Set an inquiry or a warning aside, or say that what was moved elsewhere was looked at: deadlines go on.",
    roles: ["admin"],
    body: ClearDisputeRequestSchema,
    headers: commandHeaders,
    answers: {},
    command: true,
  },
  getPartiesPayouts: {
    summary: "What went to a seller's bank, and what came back.",
    answers: { 200: payouts },
  },
  getDebts: {
    summary: "What sellers owe: your own, or everybody's to operators.",
    query: { party: "this one's (admin, auditor)" },
    answers: { 200: debts },
  },
  postDebtsWriteOff: {
    summary: "Give a debt up; a second operator approves it.",
    roles: ["admin"],
    body: WriteOffDebtRequestSchema,
    headers: wishHeaders,
    answers: { 202: accepted },
  },
} satisfies Record<string, RouteDoc>;

export function createDisputeRoutes(options: DisputeRouteOptions): Hono<HttpEnv> {
  const { db, access, partyAccess, commands } = options;
  const app = new Hono<HttpEnv>();
  app.get("/v1/escrows/:id/disputes", documented(docs.getEscrowsDisputes), async (c) => {
    const row = await access.byEscrowId(c.req.param("id"), c.get("principal"), partiesAndOperators);
    return c.json({ items: await disputesOf(db, row.escrow_no) });
  });
  app.post("/v1/disputes/:id/clear", documented(docs.postDisputesClear), async (c) => {
    const json = await readJson(c.req.raw);
    toMessage(ClearDisputeRequestSchema, json);
    const reviewId = c.req.param("id");
    const escrowId = await escrowOfDispute(db, reviewId);
    if (escrowId === undefined) throw notFound();
    const value = create(DecideReviewSchema, { reviewId, decision: Decision.CLEAR });
    return commands.send(c, { json, escrowId, body: { case: "decideReview", value } });
  });
  app.get("/v1/parties/:id/payouts", documented(docs.getPartiesPayouts), async (c) => {
    const partyId = partyIn(c);
    const principal = c.get("principal");
    const standing = await partyAccess.standing(partyId, principal);
    if (standing === undefined || !payoutReaders.includes(standing)) throw notFound();
    const serviceId = standing === "reader" ? "" : scopeOf(standing, principal.subject);
    return c.json({ items: await payoutsOf(db, partyId, serviceId) });
  });
  app.get("/v1/debts", documented(docs.getDebts), async (c) => {
    const principal = c.get("principal");
    const { roles, subject, onBehalfOf } = principal;
    const all = roles.includes("admin") || roles.includes("auditor");
    if (all) return c.json({ items: await debtsOf(db, c.req.query("party")) });
    const partyId = onBehalfOf ?? subject;
    const standing = await partyAccess.standing(partyId, principal);
    if (standing === undefined || !debtReaders.includes(standing)) throw notFound();
    return c.json({ items: await debtsOf(db, partyId) });
  });
  app.post("/v1/debts/:id/write-off", documented(docs.postDebtsWriteOff), async (c) => {
    const partyId = partyIn(c);
    const json = await readJson(c.req.raw);
    const { amount, currency } = toMessage(WriteOffDebtRequestSchema, json);
    const escrowId = await escrowOfDebt(db, partyId, currency);
    if (escrowId === undefined) {
      throw new HttpProblem("NOTHING_OWED", "The party owes nothing in this currency.");
    }
    const debts = await debtsOf(db, partyId);
    const owed = debts.find((debt) => debt.owed.currency === currency)?.owed.amount ?? "0";
    if (BigInt(amount) > BigInt(owed)) {
      throw new HttpProblem("AMOUNT", `Only ${owed} is owed.`, { field: "amount" });
    }
    const money = create(MoneySchema, { amount: BigInt(amount), currency });
    const value = create(WriteOffDebtSchema, { partyId, amount: money });
    return commands.ask(c, { json, escrowId, body: { case: "writeOffDebt", value } });
  });
  return app;
}

function partyIn(c: Context<HttpEnv>): string {
  const partyId = c.req.param("id") ?? "";
  if (!partyPattern.test(partyId)) throw notFound();
  return partyId;
}
