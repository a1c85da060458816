/**
 * Maker and checker: a command that needs two operators waits in its module's own table, for a day
 * at most, until another one approves it. Approved, it stays on the list until it is done (what is
 * `doneOnce` no longer than that day). Neither is a party of what it is about: the decider would refuse
 * them, and its answer would be final. The database refuses the same person on both sides.
 */
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { SealedText } from "#gen/escrow/v1/types_pb";
import { type CommandSubject, commandSubject } from "#kernel/command-subject";
import { sha256Hex } from "#kernel/ids";
import type { Clock } from "../clock.ts";
import { type Database, SqlName } from "../database/database.ts";
import type { Principal } from "../module.ts";
import type { Keyring } from "../sealing/keyring.ts";
import { idempotencyConflict } from "./outcomes.ts";
import { HttpProblem, notFound } from "./problem.ts";

/** What of a command this needs to know. */
export interface Approvable extends Message {
  readonly commandId: string;
  readonly escrowId: string;
  readonly fingerprint: string;
  readonly body: { readonly case?: string | undefined };
  approvedBy: string[];
  sentAt?: Timestamp | undefined;
  clockOffsetMs: bigint;
}

export interface Approvals<C extends Approvable> {
  /** Keeps the command; a repeated request meets its first self. Returns the approval's id. */
  ask(command: C, asker: Principal): Promise<string>;
  /** The command with both operators named; undefined when there is no such approval. */
  approve(approvalId: string, approver: Principal): Promise<C | undefined>;
  /** It is done; nothing, of a command that needed no two. */
  finish(command: C): Promise<void>;
  /**
   * What waits for a second operator, or was approved and is not done, oldest first, and whether there
   * is more than is shown.
   */
  open(): Promise<OpenApprovals>;
}

export interface OpenApprovals {
  readonly approvals: readonly OpenApproval[];
  readonly more: boolean;
}

/** What operators see of a command: amounts, and the reason given by whoever asked. */
export interface ApprovalSummary {
  /** "" for the whole escrow. */
  readonly milestoneId: string;
  /** Minor units, or "all"; absent where the action has none. */
  readonly amount?: string;
  /** Absent: the escrow's. */
  readonly currency?: string;
  /** Of a hit that is lifted: which, and why it was blocked. */
  readonly reviewId?: string;
  readonly code?: string;
  /** Whom the hit is about, or whose debt is given up. */
  readonly partyId?: string;
  /** Of a reversal: the transfer it takes back. */
  readonly operationId?: string;
  /** Of a discard: the letters' names. */
  readonly letters?: readonly string[];
  readonly reason?: string;
}

export type OpenApproval = ApprovalSummary & CommandSubject & AskedApproval;

interface AskedApproval {
  readonly approvalId: string;
  readonly commandId: string;
  readonly action: string;
  readonly askedBy: string;
  readonly askedAt: string;
  /** It was approved, and did not come through: approved again, it is done. */
  readonly approvedBy?: string;
  /** Absent: whoever approved it did so in time. */
  readonly expiresAt?: string;
}

export interface ApprovalsOptions<C extends Approvable> {
  readonly db: Database;
  readonly clock: Pick<Clock, "now" | "offsetMs">;
  /** The schema that has the table `approval`, with a column `done_at`. */
  readonly schema: string;
  readonly message: GenMessage<C>;
  /** Who may neither ask nor approve; undefined: there is nothing the command could be about. */
  readonly partiesOf: (command: C) => Promise<readonly string[] | undefined>;
  readonly summaryOf: (command: C) => ApprovalSummary | Promise<ApprovalSummary>;
  /**
   * For what has no command id to be known again by: done, it is not given out again, nor after a day,
   * and `approvedBy` names persons with their issuers. Otherwise whoever approves again publishes the
   * same command.
   */
  readonly doneOnce?: boolean;
}

interface ApprovalRow {
  readonly id: string;
  readonly command: Uint8Array;
  readonly asked_by: string;
  readonly asked_at: Date;
  readonly approved_by: string | null;
  readonly fingerprint: string;
  readonly done_at: Date | null;
}

const lastsMs = 24 * 60 * 60_000;
const mostShown = 200;

export function createApprovals<C extends Approvable>(options: ApprovalsOptions<C>): Approvals<C> {
  const { db, clock, message, doneOnce = false } = options;
  const table = new SqlName(options.schema, "approval");

  async function find(approvalId: string): Promise<ApprovalRow | undefined> {
    const [row] = await db.sql<ApprovalRow>`SELECT * FROM ${table} WHERE id = ${approvalId}`;
    return row;
  }

  async function refuseParty(command: C, principal: Principal): Promise<void> {
    // Whoever can have keys made would be as many operators as he likes.
    if (principal.keyId !== undefined) {
      throw new HttpProblem("ROLE_REQUIRED", "What takes two operators takes two people.");
    }
    const parties = await options.partiesOf(command);
    if (parties === undefined) throw notFound();
    if (!idsOf(principal).some((id) => parties.includes(id))) return;
    throw new HttpProblem("ROLE_REQUIRED", "A party of it is no operator of it.");
  }

  function openSince(): Date {
    return new Date(clock.now().getTime() - lastsMs);
  }

  function refuseOver({ approved_by, asked_at, done_at }: ApprovalRow): void {
    if (doneOnce && done_at !== null) {
      throw new HttpProblem("APPROVAL_USED", "That was approved, and is done.");
    }
    if ((approved_by !== null && !doneOnce) || asked_at > openSince()) return;
    throw new HttpProblem(
      "APPROVAL_EXPIRED",
      "Nobody approved it in time: ask again under a new key.",
    );
  }

  return {
    ask: async (command, asker) => {
      const { commandId, escrowId, fingerprint } = command;
      await refuseParty(command, asker);
      const id = approvalIdOf(command);
      await db.sql`
        INSERT INTO ${table} (id, escrow_id, fingerprint, command, asked_by, asked_at)
        VALUES (${id}, ${escrowId}, ${fingerprint}, ${toBinary(message, command)},
          ${personOf(asker)}, ${clock.now()}::timestamptz)
        ON CONFLICT (id) DO NOTHING`;
      const row = await find(id);
      if (row === undefined || row.fingerprint !== fingerprint)
        throw idempotencyConflict(commandId);
      refuseOver(row);
      return id;
    },
    approve: async (approvalId, approver) => {
      const asked = await find(approvalId);
      if (asked === undefined) return undefined;
      await refuseParty(fromBinary(message, asked.command), approver);
      const person = personOf(approver);
      // The first approval stands: whoever approves again publishes the same command once more.
      await db.sql`
        UPDATE ${table}
        SET approved_by = ${person}, approved_at = ${clock.now()}::timestamptz
        WHERE id = ${approvalId} AND approved_by IS NULL AND asked_by <> ${person}
          AND asked_at > ${openSince()}::timestamptz`;
      const row = (await find(approvalId)) ?? asked;
      refuseOver(row);
      const command = fromBinary(message, row.command);
      command.approvedBy = doneOnce ? operatorsOf(row) : operatorsOf(row).map(subjectOf);
      // It is sent now, not when it was asked for: the test clock may have been moved since.
      command.sentAt = timestampFromDate(clock.now());
      command.clockOffsetMs = clock.offsetMs();
      return command;
    },
    finish: async (command) => {
      if (command.approvedBy.length === 0) return;
      await db.sql`
        UPDATE ${table} SET done_at = ${clock.now()}::timestamptz
        WHERE id = ${approvalIdOf(command)} AND done_at IS NULL`;
    },
    open: async () => {
      const rows = await db.sql<ApprovalRow>`
        SELECT * FROM ${table}
        WHERE done_at IS NULL
          AND (asked_at > ${openSince()}::timestamptz OR (approved_by IS NOT NULL AND NOT ${doneOnce}))
        ORDER BY asked_at, id LIMIT ${mostShown + 1}`;
      const approvals = await Promise.all(
        rows.slice(0, mostShown).map((row) => shown(row, options)),
      );
      return { approvals, more: rows.length > mostShown };
    },
  };
}

function operatorsOf({ asked_by, approved_by }: ApprovalRow): string[] {
  if (approved_by === null) {
    throw new HttpProblem("APPROVAL_REQUIRED", "Another operator must approve what you asked for.");
  }
  return [asked_by, approved_by];
}

function approvalIdOf({ commandId }: Approvable): string {
  return `apr_${sha256Hex(commandId).slice(0, 32)}`;
}

async function shown<C extends Approvable>(
  row: ApprovalRow,
  { message, summaryOf, doneOnce = false }: ApprovalsOptions<C>,
): Promise<OpenApproval> {
  const command = fromBinary(message, row.command);
  const { approved_by, asked_at } = row;
  return {
    approvalId: row.id,
    ...commandSubject(command.escrowId),
    commandId: command.commandId,
    action: command.body.case ?? "",
    ...(await summaryOf(command)),
    askedBy: subjectOf(row.asked_by),
    askedAt: asked_at.toISOString(),
    ...(approved_by !== null && { approvedBy: subjectOf(approved_by) }),
    ...((approved_by === null || doneOnce) && {
      expiresAt: new Date(asked_at.getTime() + lastsMs).toISOString(),
    }),
  };
}

/** A reason as it was written; nothing once its writer is forgotten. */
export async function reasonIn(
  sealed: SealedText | undefined,
  { open }: Pick<Keyring, "open">,
): Promise<{ reason?: string }> {
  const reason = sealed && (await open(sealed));
  return reason === undefined ? {} : { reason };
}

/** The person himself, whoever he acts for. */
export function personOf({ issuer, subject }: Principal): string {
  return `${issuer}|${subject}`;
}

/** Under whom a party could be known. */
function idsOf({ subject, onBehalfOf }: Principal): string[] {
  return onBehalfOf === undefined ? [subject] : [subject, onBehalfOf];
}

function subjectOf(person: string): string {
  return person.slice(person.lastIndexOf("|") + 1);
}
