/**
 * GET /v1/statements: of an escrow, of a party, or of all books; as JSON by pages, as CSV in one
 * piece. A party reads what happened to his money, in his view; operators and auditors the ledger.
 */
import { Hono } from "hono";
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database/database";
import { requireRole } from "#platform/http/auth";
import { instantOf } from "#platform/http/instant";
import { documented } from "#platform/http/openapi/documented";
import { partyPattern } from "#platform/http/path-id";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv, Principal } from "#platform/module";
import { type Access, partiesAndOperators, standingTo } from "../access.ts";
import type { PartyAccess } from "../parties/party-access.ts";
import { csvOf } from "./csv.ts";
import { ledgerStatement } from "./ledger-statement.ts";
import { partyStatement } from "./party-statement.ts";
import type { Page, Statement } from "./statement.ts";
import { statement as statementAnswer } from "./statement-answers.ts";
import type { Period } from "./statements.ts";

const statementDoc = {
  summary: "Opening balances, lines, closing balances; of a deal, a party, or all books (auditor).",
  query: {
    escrow: "of this deal",
    party: "of this party",
    view: "ledger, or party: amounts in the party's favour",
    from: "from this instant",
    until: "up to this instant; now when absent",
    format: "json, or csv in one piece",
    cursor: "`next` of the page before",
  },
  answers: { 200: statementAnswer },
};

export interface StatementRouteOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly access: Access;
  readonly partyAccess: PartyAccess;
}

const escrowPattern = /^[A-Za-z0-9_-]{1,64}$/;
const pageSize = 1_000;

export function createStatementRoutes(options: StatementRouteOptions): Hono<HttpEnv> {
  const { db, clock } = options;
  const app = new Hono<HttpEnv>();
  app.get("/v1/statements", documented(statementDoc), async (c) => {
    const query = c.req.query();
    const period = {
      from: instantOf(query.from, "from") ?? new Date(0),
      until: instantOf(query.until, "until") ?? clock.now(),
    };
    if (period.from > period.until) {
      throw new HttpProblem("INVALID_FIELD", "Must not be after until.", { field: "from" });
    }
    const format = oneOf(["json", "csv"], query.format ?? "json", "format");
    const statement = await statementFor(query, c.get("principal"), options);
    if (format === "csv") return csvOf(db, statement, period, pageSize);
    const page = { limit: pageSize, after: query.cursor };
    return c.json(await db.withTx((tx) => pageOf(tx, statement, period, page), oneSnapshot));
  });
  return app;
}

/** What is booked meanwhile stands in all of a page or in nothing of it. */
const oneSnapshot = { isolation: "repeatable read" } as const;

async function pageOf(tx: Tx, statement: Statement, period: Period, page: Page) {
  const { lines, next } = await statement.lines(tx, period, page);
  return {
    ...statement.about,
    from: period.from.toISOString(),
    until: period.until.toISOString(),
    opening: [...(await statement.balances(tx, period.from))],
    lines: [...lines],
    closing: [...(await statement.balances(tx, period.until))],
    next: next ?? null,
  };
}

async function statementFor(
  { escrow, party, view: asked }: Readonly<Record<string, string>>,
  principal: Principal,
  { access, partyAccess }: StatementRouteOptions,
): Promise<Statement> {
  const view = oneOf(["ledger", "party"], asked ?? "ledger", "view");
  if (escrow !== undefined && party !== undefined) {
    throw new HttpProblem("INVALID_FIELD", "Name an escrow or a party, not both.", {
      field: "party",
    });
  }
  if (escrow !== undefined) {
    if (!escrowPattern.test(escrow)) throw notFound();
    const row = await access.byEscrowId(escrow, principal, partiesAndOperators);
    const standing = standingTo(row, principal);
    const escrowNo = row.escrow_no;
    if (standing === "buyer") return partyStatement({ partyId: row.buyer_id, escrowNo });
    // A service that speaks for the seller knows the sale it made, and none of his others.
    const only = principal.onBehalfOf === undefined ? undefined : row.escrow_id;
    if (standing === "seller") return partyStatement({ partyId: row.seller_id, escrowNo }, only);
    return ledgerStatement({ escrowNo });
  }
  if (party !== undefined) {
    if (!partyPattern.test(party)) throw notFound();
    const standing = await partyAccess.standing(party, principal);
    const reads = standing === "operator" || standing === "reader";
    if (standing === "self" || (reads && view === "party")) {
      return partyStatement({ partyId: party });
    }
    // A service's members have other escrows than its own.
    if (!reads) throw notFound();
    return ledgerStatement({ partyId: party });
  }
  requireRole(principal, "admin", "auditor");
  return ledgerStatement({});
}

function oneOf(allowed: readonly string[], given: string, field: string): string {
  if (allowed.includes(given)) return given;
  throw new HttpProblem("INVALID_FIELD", `Must be ${allowed.join(" or ")}.`, { field });
}
