/**
 * Maker and checker: a command that needs two operators waits here, for a day at most, until
 * another one approves it. Neither is a party of the escrow: the decider would refuse them, and its
 * answer would be final. The database refuses the same person on both sides.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Command, CommandSchema } from "#gen/escrow/v1/commands_pb";
import { sha256Hex } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import { idempotencyConflict } from "#platform/http/outcomes";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { Principal } from "#platform/module";

export interface Approvals {
  /** Keeps the command; a repeated request meets its first self. Returns the approval's id. */
  ask(command: Command, asker: Principal): Promise<string>;
  /** The command with both operators named; undefined when there is no such approval. */
  approve(approvalId: string, approver: Principal): Promise<Command | undefined>;
  /** What waits for a second operator, oldest first, and whether there is more than is shown. */
  open(): Promise<{ readonly approvals: readonly OpenApproval[]; readonly more: boolean }>;
}

/** As operators see it: ids and amounts, no text. */
export interface OpenApproval {
  readonly approvalId: string;
  readonly escrowId: string;
  readonly commandId: string;
  readonly action: string;
  /** "" for the whole escrow. */
  readonly milestoneId: string;
  /** Minor units; "0" for all that is held. */
  readonly amount: string;
  readonly askedBy: string;
  readonly askedAt: string;
  readonly expiresAt: string;
}

interface ApprovalRow {
  readonly command: Uint8Array;
  readonly asked_by: string;
  readonly asked_at: Date;
  readonly approved_by: string | null;
  readonly fingerprint: string;
  /** Null for an escrow that has no row (yet). */
  readonly buyer_id: string | null;
  readonly seller_id: string | null;
}

export interface ApprovalsOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "now" | "offsetMs">;
}

const lastsMs = 24 * 60 * 60_000;
const mostShown = 200;

export function createApprovals({ db, clock }: ApprovalsOptions): Approvals {
  async function find(approvalId: string): Promise<ApprovalRow | undefined> {
    const [row] = await db.sql<ApprovalRow>`
      SELECT a.command, a.asked_by, a.asked_at, a.approved_by, a.fingerprint,
        e.buyer_id, e.seller_id
      FROM escrow.approval a LEFT JOIN escrow.escrow e ON e.id = a.escrow_id
      WHERE a.id = ${approvalId}`;
    return row;
  }

  function openSince(): Date {
    return new Date(clock.now().getTime() - lastsMs);
  }

  function refuseExpired({ approved_by, asked_at }: ApprovalRow): void {
    if (approved_by !== null || asked_at > openSince()) return;
    throw new HttpProblem(
      "APPROVAL_EXPIRED",
      "Nobody approved it in time: ask again under a new key.",
    );
  }

  return {
    ask: async (command, asker) => {
      const id = `apr_${sha256Hex(command.commandId).slice(0, 32)}`;
      await db.sql`
        INSERT INTO escrow.approval (id, escrow_id, fingerprint, command, asked_by, asked_at)
        SELECT ${id}, id, ${command.fingerprint}, ${toBinary(CommandSchema, command)},
          ${personOf(asker)}, ${clock.now()}::timestamptz
        FROM escrow.escrow
        WHERE id = ${command.escrowId} AND buyer_id <> ALL(${idsOf(asker)}::text[])
          AND seller_id <> ALL(${idsOf(asker)}::text[])
        ON CONFLICT (id) DO NOTHING`;
      const row = await find(id);
      if (row === undefined) throw await whyNotAsked(db, command.escrowId);
      if (row.fingerprint !== command.fingerprint) throw idempotencyConflict(command.commandId);
      refuseExpired(row);
      return id;
    },
    approve: async (approvalId, approver) => {
      const person = personOf(approver);
      // The first approval stands: whoever approves again publishes the same command once more.
      await db.sql`
        UPDATE escrow.approval a
        SET approved_by = ${person}, approved_at = ${clock.now()}::timestamptz
        FROM escrow.escrow e
        WHERE a.id = ${approvalId} AND e.id = a.escrow_id
          AND a.approved_by IS NULL AND a.asked_by <> ${person}
          AND a.asked_at > ${openSince()}::timestamptz
          AND e.buyer_id <> ALL(${idsOf(approver)}::text[])
          AND e.seller_id <> ALL(${idsOf(approver)}::text[])`;
      const row = await find(approvalId);
      if (row === undefined) return undefined;
      refuseParty(row, approver);
      refuseExpired(row);
      return stamped(approved(row), clock);
    },
    open: async () => {
      const rows = await db.sql<ApprovalRow & { id: string }>`
        SELECT id, command, asked_by, asked_at FROM escrow.approval
        WHERE approved_by IS NULL AND asked_at > ${openSince()}::timestamptz
        ORDER BY asked_at, id LIMIT ${mostShown + 1}`;
      return { approvals: rows.slice(0, mostShown).map(shown), more: rows.length > mostShown };
    },
  };
}

async function whyNotAsked(db: Database, escrowId: string): Promise<HttpProblem> {
  const [escrow] = await db.sql`SELECT id FROM escrow.escrow WHERE id = ${escrowId}`;
  return escrow === undefined ? notFound() : partyRefused();
}

function refuseParty({ buyer_id, seller_id }: ApprovalRow, principal: Principal): void {
  if (buyer_id === null || seller_id === null) throw notFound();
  if (idsOf(principal).some((id) => id === buyer_id || id === seller_id)) throw partyRefused();
}

function partyRefused(): HttpProblem {
  return new HttpProblem("ROLE_REQUIRED", "A party of the escrow is no operator of it.");
}

function approved({ command, asked_by, approved_by }: ApprovalRow): Command {
  if (approved_by === null) {
    throw new HttpProblem("APPROVAL_REQUIRED", "Another operator must approve what you asked for.");
  }
  const message = fromBinary(CommandSchema, command);
  message.approvedBy = [subjectOf(asked_by), subjectOf(approved_by)];
  return message;
}

/** It is sent now, not when it was asked for: the test clock may have been moved since. */
function stamped(command: Command, clock: ApprovalsOptions["clock"]): Command {
  const sentAt = timestampFromDate(clock.now());
  return { ...command, sentAt, clockOffsetMs: clock.offsetMs() };
}

function shown({ id, command, asked_by, asked_at }: ApprovalRow & { id: string }): OpenApproval {
  const { commandId, escrowId, body } = fromBinary(CommandSchema, command);
  const money = body.case === "releaseFunds" || body.case === "refundEscrow";
  return {
    approvalId: id,
    escrowId,
    commandId,
    action: body.case ?? "",
    milestoneId: money ? body.value.milestoneId : "",
    amount: String(money ? body.value.amount : 0n),
    askedBy: subjectOf(asked_by),
    askedAt: asked_at.toISOString(),
    expiresAt: new Date(asked_at.getTime() + lastsMs).toISOString(),
  };
}

/** The person himself, whoever he acts for. */
function personOf({ issuer, subject }: Principal): string {
  return `${issuer}|${subject}`;
}

/** Under whom a party could be known. */
function idsOf({ subject, onBehalfOf }: Principal): string[] {
  return onBehalfOf === undefined ? [subject] : [subject, onBehalfOf];
}

function subjectOf(person: string): string {
  return person.slice(person.lastIndexOf("|") + 1);
}
