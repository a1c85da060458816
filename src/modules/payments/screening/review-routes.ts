/**
 * What waits for operators and their word on it: reviews, deposits, and the report of what is
 * blocked. Ids, amounts and list versions only; a decision is a command on the log.
 */
import { create } from "@bufbuild/protobuf";
import { Hono } from "hono";
import {
  DecideDeposit_Decision,
  DecideDepositSchema,
  DecideReview_Decision,
  DecideReviewSchema,
} from "#gen/payments/v1/commands_pb";
import { DecideDepositRequestSchema, DecideReviewRequestSchema } from "#gen/payments/v1/http_pb";
import type { Database } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { commandHeaders } from "#platform/http/openapi/headers";
import { notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { ScreeningState } from "../domain/screening.ts";
import type { CommandSender } from "../send-command.ts";
import { blocked, depositsThatWait, reviews } from "./review-answers.ts";
import { blockedReport, depositsWaiting, openReviews } from "./review-views.ts";

export interface ReviewRouteOptions {
  readonly db: Database;
  readonly commands: CommandSender;
}

const idPattern = /^[A-Za-z0-9_.:-]{1,200}$/;

const docs = {
  getReviews: {
    summary: "Screening hits that wait for a decision.",
    roles: ["admin", "auditor"],
    answers: { 200: reviews },
  },
  getDeposits: {
    summary: "Deposits that wait for a decision.",
    roles: ["admin", "auditor"],
    answers: { 200: depositsThatWait },
  },
  getBlocked: {
    summary: "What sanctions block.",
    roles: ["admin", "auditor"],
    answers: { 200: blocked },
  },
  postReviewsDecide: {
    summary: "Clear a hit, or block the money; to lift a block a second operator approves it.",
    roles: ["admin"],
    body: DecideReviewRequestSchema,
    headers: commandHeaders,
    answers: {},
    command: true,
  },
  postDepositsDecide: {
    summary: "Take a deposit that did not fit, or send it back.",
    roles: ["admin"],
    body: DecideDepositRequestSchema,
    headers: commandHeaders,
    answers: {},
    command: true,
  },
} satisfies Record<string, RouteDoc>;

export function createReviewRoutes({ db, commands }: ReviewRouteOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get("/v1/reviews", documented(docs.getReviews), async (c) => {
    return c.json(await openReviews(db));
  });
  app.get("/v1/deposits", documented(docs.getDeposits), async (c) => {
    return c.json(await depositsWaiting(db));
  });
  app.get("/v1/blocked", documented(docs.getBlocked), async (c) => {
    return c.json(await blockedReport(db));
  });
  app.post("/v1/reviews/:id/decide", documented(docs.postReviewsDecide), async (c) => {
    const json = await readJson(c.req.raw);
    const { decision: word } = toMessage(DecideReviewRequestSchema, json);
    const reviewId = idOf(c.req.param("id"));
    const [row] = await db.sql<{ escrow_id: string; state: ScreeningState }>`
      SELECT escrow_id, state FROM payments.screening WHERE review_id = ${reviewId}`;
    if (row === undefined) throw notFound();
    const { CLEAR, BLOCK } = DecideReview_Decision;
    const decision = word === "BLOCK" ? BLOCK : CLEAR;
    const value = create(DecideReviewSchema, { reviewId, decision });
    const body = { case: "decideReview", value } as const;
    const asked = { json, escrowId: row.escrow_id, body };
    const lifts = decision === CLEAR && row.state === "BLOCKED";
    return lifts ? commands.ask(c, asked) : commands.send(c, asked);
  });
  app.post("/v1/deposits/:id/decide", documented(docs.postDepositsDecide), async (c) => {
    const json = await readJson(c.req.raw);
    const { decision: word } = toMessage(DecideDepositRequestSchema, json);
    const depositId = idOf(c.req.param("id"));
    const [row] = await db.sql<{ escrow_id: string }>`
      SELECT p.escrow_id FROM payments.deposit d JOIN payments.payment p USING (escrow_no)
      WHERE d.deposit_id = ${depositId}`;
    if (row === undefined) throw notFound();
    const { ACCEPT, REFUND } = DecideDeposit_Decision;
    const decision = word === "ACCEPT" ? ACCEPT : REFUND;
    const value = create(DecideDepositSchema, { depositId, decision });
    const body = { case: "decideDeposit", value } as const;
    return commands.send(c, { json, escrowId: row.escrow_id, body });
  });
  return app;
}

function idOf(text: string): string {
  if (!idPattern.test(text)) throw notFound();
  return text;
}
