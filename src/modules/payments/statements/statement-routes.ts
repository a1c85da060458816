/**
 * GET /v1/statements: of an escrow, of a party, or of all books; as JSON by pages, as CSV in one
 * piece. Parties see their own accounts, operators and auditors all.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import { Hono } from "hono";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { requireRole } from "#platform/http/auth";
import { instantOf } from "#platform/http/instant";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv, Principal } from "#platform/module";
import { type Access, partiesAndOperators, standingTo } from "../access.ts";
import type { PartyAccess } from "../parties/party-access.ts";
import {
  type Balance,
  balancesAt,
  type Holder,
  linesOf,
  type Period,
  type StatementLine,
} from "./statements.ts";

export interface StatementRouteOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly access: Access;
  readonly partyAccess: PartyAccess;
}

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;
const pageSize = 1_000;

export function createStatementRoutes(options: StatementRouteOptions): Hono<HttpEnv> {
  const { db, clock } = options;
  const app = new Hono<HttpEnv>();
  app.get("/v1/statements", async (c) => {
    const query = c.req.query();
    const period = {
      from: instantOf(query.from, "from") ?? new Date(0),
      until: instantOf(query.until, "until") ?? clock.now(),
    };
    if (period.from > period.until) {
      throw new HttpProblem("BAD_REQUEST", "Must not be after until.", { field: "from" });
    }
    const format = query.format ?? "json";
    if (format !== "json" && format !== "csv") {
      throw new HttpProblem("BAD_REQUEST", "json or csv.", { field: "format" });
    }
    const holder = await holderOf(query, c.get("principal"), options);
    if (format === "csv") return csvOf(db, holder, period);
    const page = { limit: pageSize, after: query.cursor };
    const { lines, next } = await linesOf(db, holder, period, page);
    return c.json({
      from: period.from.toISOString(),
      until: period.until.toISOString(),
      opening: (await balancesAt(db, holder, period.from)).map(balanceView),
      lines: lines.map(lineView),
      closing: (await balancesAt(db, holder, period.until)).map(balanceView),
      next: next ?? null,
    });
  });
  return app;
}

async function holderOf(
  { escrow, party }: Readonly<Record<string, string>>,
  principal: Principal,
  { access, partyAccess }: StatementRouteOptions,
): Promise<Holder> {
  if (escrow !== undefined && party !== undefined) {
    throw new HttpProblem("BAD_REQUEST", "One of escrow and party.");
  }
  if (escrow !== undefined) {
    const row = await access.byEscrowId(idOf(escrow), principal, partiesAndOperators);
    const standing = standingTo(row, principal);
    const ownOnly = standing !== "operator" && standing !== "auditor";
    return { escrowNo: row.escrow_no, ownOnly };
  }
  if (party !== undefined) {
    const standing = await partyAccess.standing(idOf(party), principal);
    // A service's members have other escrows than its own.
    if (standing === "self") return { partyId: party, ownOnly: true };
    if (standing === "operator" || standing === "reader") return { partyId: party, ownOnly: false };
    throw notFound();
  }
  requireRole(principal, "admin", "auditor");
  return { ownOnly: false };
}

function balanceView({ account, currency, balance }: Balance): JsonValue {
  return { account, currency, balance: balance.toString() };
}

function lineView({ at, amount, ...line }: StatementLine): JsonValue {
  return { at: at.toISOString(), ...line, amount: amount.toString() };
}

/** Balances and lines in one table, told apart by the first column; read page by page. */
function csvOf(db: Database, holder: Holder, period: Period): Response {
  const text = csvRows(db, holder, period);
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await text.next();
      if (done === true) controller.close();
      else controller.enqueue(new TextEncoder().encode(value));
    },
    cancel: async () => {
      await text.return(undefined);
    },
  });
  return new Response(body, {
    headers: {
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": 'attachment; filename="statement.csv"',
    },
  });
}

async function* csvRows(db: Database, holder: Holder, { from, until }: Period) {
  const head = "kind,at,transactionId,escrowId,account,reason,reference,currency,amount";
  yield `${head}\n${await csvBalances(db, holder, "opening", from)}`;
  let after: string | undefined;
  do {
    const { lines, next } = await linesOf(db, holder, { from, until }, { limit: pageSize, after });
    yield lines.map(csvLine).join("");
    after = next;
  } while (after !== undefined);
  yield await csvBalances(db, holder, "closing", until);
}

async function csvBalances(db: Database, holder: Holder, kind: string, at: Date) {
  const balances = await balancesAt(db, holder, at);
  return balances
    .map(({ account, currency, balance }) =>
      csvRow([kind, at.toISOString(), "", "", account, "", "", currency, `${balance}`]),
    )
    .join("");
}

function csvLine(line: StatementLine): string {
  const { at, transactionId, escrowId, account, reason, reference, currency, amount } = line;
  const what = [transactionId, escrowId, account, reason, reference, currency, `${amount}`];
  return csvRow(["line", at.toISOString(), ...what]);
}

/** Ids may hold what a spreadsheet would take for a separator. */
function csvRow(cells: readonly string[]): string {
  const quoted = cells.map((cell) =>
    /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
  );
  return `${quoted.join(",")}\n`;
}

function idOf(text: string): string {
  if (!idPattern.test(text)) throw notFound();
  return text;
}
