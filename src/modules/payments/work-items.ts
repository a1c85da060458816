/**
 * What waits for a person and has no list of its own: operations that only a person can judge, money
 * that is owed and could not be sent, disputes that were won and whose money did not come back.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { z } from "zod";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { instant, items, money } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import type { HttpEnv } from "#platform/module";

export interface WorkItemRouteOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "now">;
}

interface WorkItemRow {
  readonly kind: string;
  readonly id: string;
  readonly escrow_id: string;
  readonly provider: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly code: string;
  readonly since: Date;
}

const workItem = () =>
  z.object({
    kind: z.string(),
    id: z.string(),
    escrowId: z.string(),
    provider: z.string(),
    amount: money(),
    code: z.string().describe("Why it stands still."),
    since: instant(),
  });

const mostShown = 500;
/** A bank takes days to give back what it lost. */
const reinstatementMs = 7 * 24 * 3_600_000;

export function createWorkItemRoutes({ db, clock }: WorkItemRouteOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get(
    "/v1/work-items",
    documented({
      summary: "What waits for an operator.",
      roles: ["admin", "auditor"],
      answers: { 200: items(workItem) },
    }),
    async (c) => {
      return c.json({ items: await workItems(db, clock.now()) });
    },
  );
  return app;
}

async function workItems(db: Database, now: Date): Promise<JsonValue[]> {
  const wonBefore = new Date(now.getTime() - reinstatementMs);
  const rows = await db.sql<WorkItemRow>`
    SELECT CASE WHEN o.state = 'PERSON' THEN 'OUTCOME_UNKNOWN' ELSE o.kind || '_FAILED' END AS kind,
      o.operation_id AS id, o.escrow_id, o.provider, o.net AS amount,
      CASE WHEN o.asset <> '' THEN o.asset ELSE p.currency END AS currency, o.code,
      o.updated_at AS since
    FROM payments.operation o JOIN payments.payment p USING (escrow_no)
    WHERE o.state = 'PERSON' OR (o.state = 'FAILED' AND o.kind IN ('REFUND', 'RETRANSFER'))
    UNION ALL
    SELECT 'DISPUTE_NOT_REINSTATED', d.dispute_id, d.escrow_id, d.provider,
      d.taken - d.reinstated, d.currency, d.reason, d.updated_at
    FROM payments.dispute d
    WHERE d.status = 'won' AND d.reinstated < d.taken AND d.updated_at <= ${wonBefore}
    ORDER BY since, id LIMIT ${mostShown}`;
  return rows.map(viewOf);
}

function viewOf({ kind, id, escrow_id, provider, amount, currency, code, since }: WorkItemRow) {
  return {
    kind,
    id,
    escrowId: escrow_id,
    provider,
    amount: { amount: amount.toString(), currency },
    code,
    since: since.toISOString(),
  };
}
