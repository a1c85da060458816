/**
 * What waits for a person, most urgent first, each with the route that acts on it: stopped providers,
 * disputes by the arbiter's deadline, releases that stand still, deadlines that an inquiry or
 * a warning of fraud stops, operations that only a person can judge, money that could not be sent, disputes that were won and whose money did not come back, what
 * somebody moved behind our back, what a provider said and nobody here can record; and, by pages
 * after these, what it said of things that are not ours.
 */
import { Hono } from "hono";
import { z } from "zod";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { instant, money } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import type { HttpEnv } from "#platform/module";
import { stopsOf } from "./stops/provider-stops.ts";
import { type UnmatchedObject, unmatchedObjects } from "./webhooks/unmatched.ts";

/** A deal that waits for an operator, as another module hands it over. */
interface WaitingEscrow {
  readonly kind: "DISPUTED" | "RELEASE_BLOCKED";
  readonly escrowId: string;
  readonly provider: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly code: string;
  readonly since: Date;
  readonly dueAt: Date | undefined;
}
export type WaitingEscrows = () => Promise<readonly WaitingEscrow[]>;

export interface WorkItemRouteOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "now">;
  readonly waitingEscrows?: WaitingEscrows | undefined;
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
  readonly dueAt?: Date | undefined;
  readonly account?: string;
  readonly signals?: bigint;
}

const workItem = () =>
  z.object({
    kind: z.string(),
    id: z.string(),
    escrowId: z.string(),
    provider: z.string(),
    amount: money(),
    code: z
      .string()
      .describe("Why it stands still; of an object that is not ours, what was told last."),
    since: instant(),
    dueAt: instant().nullable().describe("When the terms decide by themselves."),
    account: z
      .string()
      .optional()
      .describe("Of an object: the provider's account it is of; none: the platform's."),
    signals: z
      .string()
      .optional()
      .describe(
        "Of an object that is not ours: how often it was told of; setting it aside names it.",
      ),
    action: z.string().describe("The route that acts on it, or shows what does."),
  });

const workItems = () =>
  z.object({
    items: z.array(workItem()),
    more: z
      .boolean()
      .describe(
        "More wait that are ours than an answer shows: those left out appear as others are done.",
      ),
    next: z.string().nullable().describe("The cursor of the next page: of objects not ours."),
  });

const mostShown = 500;
/** A bank takes days to give back what it lost. */
const reinstatementMs = 7 * 24 * 3_600_000;

export function createWorkItemRoutes(options: WorkItemRouteOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get(
    "/v1/work-items",
    documented({
      summary: "What waits for an operator.",
      roles: ["admin", "auditor"],
      query: { cursor: "`next` of the page before" },
      answers: { 200: workItems },
    }),
    async (c) => {
      const after = c.req.query("cursor");
      const ours = after === undefined ? await allItems(options) : [];
      const urgent = ours.slice(0, mostShown);
      const more = ours.length > mostShown;
      const limit = mostShown - urgent.length;
      const { objects, next } = await unmatchedObjects(options.db, { limit, after });
      const items = [...urgent, ...objects.map(unmatchedItem)];
      return c.json({ items: items.map(viewOf), more, next: next ?? null });
    },
  );
  return app;
}

function unmatchedItem({ objectId: id, type: code, ...object }: UnmatchedObject): WorkItemRow {
  const { firstSeen: since, provider, account, signals } = object;
  const none = { escrow_id: "", amount: 0n, currency: "" };
  return { kind: "OBJECT_UNMATCHED", id, code, since, provider, account, signals, ...none };
}

async function allItems({ db, clock, waitingEscrows }: WorkItemRouteOptions) {
  const deals = await (waitingEscrows ?? none)();
  const items = [
    ...(await stoppedProviders(db)),
    ...deals.map(({ escrowId, ...deal }) => ({ ...deal, id: escrowId, escrow_id: escrowId })),
    ...(await openItems(db, clock.now())),
  ];
  return items.sort(byUrgency);
}

const none: WaitingEscrows = () => Promise.resolve([]);

/** A stopped provider holds up every deal; then what has a deadline, then what has waited longest. */
function byUrgency(a: WorkItemRow, b: WorkItemRow): number {
  const urgency = ({ kind, dueAt }: WorkItemRow) =>
    kind === "RELEASES_STOPPED" ? 0 : dueAt === undefined ? 2 : 1;
  const at = ({ dueAt, since }: WorkItemRow) => (dueAt ?? since).getTime();
  return urgency(a) - urgency(b) || at(a) - at(b) || a.id.localeCompare(b.id);
}

async function stoppedProviders(db: Database): Promise<WorkItemRow[]> {
  return [...(await stopsOf(db)).values()].map(({ provider, reason, stoppedAt }) => ({
    kind: "RELEASES_STOPPED",
    id: provider,
    escrow_id: "",
    provider,
    amount: 0n,
    currency: "",
    code: reason,
    since: stoppedAt,
  }));
}

async function openItems(db: Database, now: Date): Promise<WorkItemRow[]> {
  const wonBefore = new Date(now.getTime() - reinstatementMs);
  return db.sql<WorkItemRow>`
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
    UNION ALL
    SELECT 'RISK_HELD', d.dispute_id, d.escrow_id, d.provider, p.pending + p.held, d.currency,
      d.reason, d.opened_at
    FROM payments.dispute d JOIN payments.payment p USING (escrow_no)
    WHERE d.lock = 'RISK' AND p.pending + p.held > 0
    UNION ALL
    SELECT 'FOREIGN_MOVEMENT', d.dispute_id, d.escrow_id, d.provider, d.amount, d.currency, d.kind,
      d.opened_at
    FROM payments.dispute d
    WHERE d.kind IN ('FOREIGN_REFUND', 'FOREIGN_REVERSAL') AND d.lock <> 'NONE'
    UNION ALL
    SELECT 'OBJECT_UNREADABLE', b.object_id, coalesce(b.escrow_id, ''), b.provider, 0,
      coalesce(p.currency, ''), b.problem, coalesce(b.sync_due_at, p.updated_at, ${now})
    FROM payments.provider_object b LEFT JOIN payments.payment p USING (escrow_id)
    WHERE b.problem <> ''
    ORDER BY since, id LIMIT ${mostShown + 1}`;
}

function viewOf(item: WorkItemRow) {
  const { kind, id, escrow_id, provider, amount, currency, code, since, dueAt } = item;
  const { account, signals } = item;
  return {
    kind,
    id,
    escrowId: escrow_id,
    provider,
    amount: { amount: amount.toString(), currency },
    code,
    since: since.toISOString(),
    dueAt: dueAt?.toISOString() ?? null,
    ...(account && { account }),
    ...(signals !== undefined && { signals: signals.toString() }),
    action: actionOn(item),
  };
}

function actionOn({ kind, id, escrow_id, provider, code }: WorkItemRow): string {
  if (kind === "RELEASES_STOPPED" || code === "PROVIDER_STOPPED") {
    return `POST /v1/providers/${provider}/resume`;
  }
  // It is read again by itself; where it has no escrow, only the provider is there to look at.
  if (kind === "OBJECT_UNREADABLE" && escrow_id === "") return "GET /v1/providers";
  if (kind === "OBJECT_UNREADABLE") return `GET /v1/escrows/${escrow_id}/timeline`;
  if (kind === "OBJECT_UNMATCHED") return `POST /v1/providers/${provider}/objects/acknowledge`;
  if (kind === "DISPUTED") return `POST /v1/escrows/${escrow_id}/resolve`;
  if (kind === "RELEASE_BLOCKED" && code === "PROVIDER_REFUSED")
    return `POST /v1/escrows/${escrow_id}/release`;
  if (kind === "RELEASE_BLOCKED") return `GET /v1/escrows/${escrow_id}/timeline`;
  if (kind === "FOREIGN_MOVEMENT" || kind === "RISK_HELD")
    return `POST /v1/disputes/${encodeURIComponent(id)}/clear`;
  if (kind === "DISPUTE_NOT_REINSTATED") return `GET /v1/escrows/${escrow_id}/disputes`;
  return `POST /v1/payments/${id}/retry`;
}
