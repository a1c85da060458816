/** The query routes. Whoever may not see an escrow gets the answer of one that does not exist. */
import { create, type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import {
  CommandViewSchema,
  EscrowPageSchema,
  type EscrowRecord,
  EscrowViewSchema,
  type Timeline,
  TimelineSchema,
} from "#gen/escrow/v1/queries_pb";
import { commandSubject } from "#kernel/command-subject";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { foundSoon } from "#platform/found-soon";
import { messageIn, minor } from "#platform/http/openapi/answers";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { idempotencyConflict } from "#platform/http/outcomes";
import { notFound } from "#platform/http/problem";
import type { HttpEnv, Principal } from "#platform/module";
import { mayRead, readerOf, readsAll } from "./access.ts";
import { readListFilter } from "./list-filter.ts";
import type { PageCursors } from "./page-cursor.ts";
import {
  balancesOf,
  type CommandRow,
  findCommand,
  findRecord,
  listRecords,
  type TimelineRow,
  timelineOf,
} from "./queries.ts";
import { sealedTextOf } from "./timeline.ts";
import { type AllowedActions, type Texts, viewOf } from "./views.ts";

const page = () =>
  z.object({ items: z.array(messageIn(EscrowViewSchema)), next: z.string().nullable() });
const balances = () =>
  z.object({
    partyId: z.string(),
    items: z.array(z.object({ side: z.string(), currency: z.string() }).catchall(minor())),
  });

export interface QueryDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly cursors: PageCursors;
  readonly texts: Texts;
  readonly allowedActions: AllowedActions;
}

const docs = {
  getEscrows: {
    summary: "The deals you have to do with, newest first, in pages.",
    query: {
      state: "one state, such as FUNDS_HELD",
      party: "with this buyer or seller",
      currency: "in this currency",
      createdAfter: "made after this instant",
      q: "an escrow's id, or your own reference",
      sort: "-createdAt",
      limit: "how many, 1 to 200; 50 when absent",
      cursor: "`next` of the page before",
    },
    answers: { 200: page },
  },
  getEscrow: {
    summary: "One deal, and what you may do next.",
    answers: { 200: EscrowViewSchema },
  },
  getEscrowsTimeline: {
    summary: "Everything that happened to a deal, in order.",
    answers: { 200: TimelineSchema },
  },
  getCommands: {
    summary: "What became of a command.",
    query: { f: "the fingerprint in the Location a command was answered with" },
    answers: { 200: CommandViewSchema },
  },
  getPartiesBalances: {
    summary: "A party's sums over all its deals, by side and currency.",
    answers: { 200: balances },
  },
} satisfies Record<string, RouteDoc>;

export function createQueryRoutes(deps: QueryDeps): Hono<HttpEnv> {
  const { db, cursors } = deps;
  return new Hono<HttpEnv>()
    .get("/v1/escrows", documented(docs.getEscrows), async (c) => {
      const principal = c.get("principal");
      const filter = readListFilter(c.req.query(), cursors);
      const visibleTo = readerOf(principal);
      const found = await listRecords(db, { ...filter, visibleTo, limit: filter.limit + 1 });
      const shown = found.slice(0, filter.limit);
      const items = await Promise.all(shown.map((record) => viewOf(record, principal, deps)));
      const next = found.length > shown.length ? cursorOf(shown.at(-1), cursors) : undefined;
      const page = create(EscrowPageSchema, { items, ...(next !== undefined && { next }) });
      return c.json({ ...(json(EscrowPageSchema, page) as object), next: next ?? null });
    })
    .get("/v1/escrows/:id", documented(docs.getEscrow), async (c) => {
      const record = await readable(deps, c);
      const view = await viewOf(record, c.get("principal"), deps);
      c.header("ETag", `"${record.version}"`);
      return c.json(json(EscrowViewSchema, view));
    })
    .get("/v1/escrows/:id/timeline", documented(docs.getEscrowsTimeline), async (c) => {
      const record = await readable(deps, c);
      return c.json(json(TimelineSchema, await timelineOfEscrow(deps, record.escrowId)));
    })
    .get("/v1/commands/:id", documented(docs.getCommands), async (c) => {
      const row = await visibleCommand(deps, c.req.param("id"), c.get("principal"));
      const fingerprint = c.req.query("f");
      if (row && fingerprint && row.fingerprint !== fingerprint) {
        throw idempotencyConflict(row.command_id);
      }
      return c.json(json(CommandViewSchema, commandView(c.req.param("id"), row)));
    })
    .get("/v1/parties/:id/balances", documented(docs.getPartiesBalances), async (c) => {
      const principal = c.get("principal");
      const party = c.req.param("id");
      // Sums over all of a party's escrows are nobody's but the party's.
      const own = principal.onBehalfOf === undefined && principal.subject === party;
      if (!own && !readsAll(principal)) throw notFound();
      const rows = await balancesOf(db, party);
      const items = rows.map(({ side, currency, ...sums }) => ({
        side,
        currency,
        ...Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, String(value)])),
      }));
      return c.json({ partyId: party, items });
    });
}

/** Its texts opened. */
export async function timelineOfEscrow(
  { db, texts }: Pick<QueryDeps, "db" | "texts">,
  escrowId: string,
): Promise<Timeline> {
  const rows = await timelineOf(db, escrowId);
  const items = await Promise.all(rows.map((row) => timelineItem(row, texts)));
  return create(TimelineSchema, { items });
}

async function timelineItem({ sealed, ...row }: TimelineRow, texts: Texts) {
  const text = sealed === "" ? undefined : await texts.open(sealedTextOf(sealed));
  return {
    at: timestampFromDate(row.at),
    kind: row.kind,
    type: row.type,
    actor: row.actor,
    correlationId: row.correlation_id,
    summary: row.summary,
    id: row.id,
    version: row.version,
    text: text ?? "",
    erased: sealed !== "" && text === undefined,
  };
}

/** The escrow if the caller may read it; waits a moment for one that was accepted just now. */
async function readable(
  { db, clock }: QueryDeps,
  c: Context<HttpEnv, "/v1/escrows/:id">,
): Promise<EscrowRecord> {
  const found = await foundSoon(clock, async () => {
    const record = await findRecord(db, c.req.param("id"));
    return record && mayRead(record, c.get("principal")) ? record : undefined;
  });
  if (found === undefined) throw notFound();
  return found;
}

async function visibleCommand(
  { db }: QueryDeps,
  commandId: string,
  principal: Principal,
): Promise<CommandRow | undefined> {
  const row = await findCommand(db, commandId);
  if (!row) return undefined;
  const own = principal.onBehalfOf === undefined && principal.subject === row.actor_id;
  if (own || readsAll(principal)) return row;
  const record = await findRecord(db, row.escrow_id);
  return record && mayRead(record, principal) ? row : undefined;
}

const notSeen =
  "Not seen by this server yet, or not yours. If it does not appear, repeat the request with the " +
  "same Idempotency-Key: nothing is done twice.";

function commandView(commandId: string, row: CommandRow | undefined) {
  return create(CommandViewSchema, {
    commandId,
    status: row?.status ?? "pending",
    seen: row !== undefined,
    ...(row === undefined && { note: notSeen }),
    ...commandSubject(row?.escrow_id ?? ""),
    eventIds: row?.event_ids ?? [],
    version: row?.version ?? 0n,
    ...(row?.status === "rejected" && {
      rejection: {
        code: CommandRejected_Code[row.code as keyof typeof CommandRejected_Code],
        detail: row.detail,
      },
    }),
  });
}

function cursorOf(last: EscrowRecord | undefined, cursors: PageCursors): string | undefined {
  if (!last?.createdAt) return undefined;
  const ms = Number(last.createdAt.seconds) * 1_000 + Math.floor(last.createdAt.nanos / 1e6);
  return cursors.write({ createdAt: new Date(ms), escrowId: last.escrowId });
}

function json<D extends DescMessage>(schema: D, message: MessageShape<D>) {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}
