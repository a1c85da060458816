/**
 * Maker and checker: a command that needs two operators waits here until another one approves it.
 * The database refuses the same person on both sides.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Command, CommandSchema } from "#gen/escrow/v1/commands_pb";
import { sha256Hex } from "#kernel/ids";
import type { Database } from "#platform/database";
import { idempotencyConflict } from "#platform/http/outcomes";
import { HttpProblem } from "#platform/http/problem";
import type { Principal } from "#platform/module";

export interface Approvals {
  /** Keeps the command; a repeated request meets its first self. Returns the approval's id. */
  ask(command: Command, asker: Principal): Promise<string>;
  /** The command with both operators named; undefined when there is no such approval. */
  approve(approvalId: string, approver: Principal): Promise<Command | undefined>;
}

interface ApprovalRow {
  readonly command: Uint8Array;
  readonly asked_by: string;
  readonly approved_by: string | null;
}

export function createApprovals({ db }: { readonly db: Database }): Approvals {
  return {
    ask: async (command, asker) => {
      const id = `apr_${sha256Hex(command.commandId).slice(0, 32)}`;
      await db.sql`
        INSERT INTO escrow.approval (id, escrow_id, fingerprint, command, asked_by)
        VALUES (${id}, ${command.escrowId}, ${command.fingerprint},
          ${toBinary(CommandSchema, command)}, ${personOf(asker)})
        ON CONFLICT (id) DO NOTHING`;
      const [row] = await db.sql<{ fingerprint: string }>`
        SELECT fingerprint FROM escrow.approval WHERE id = ${id}`;
      if (row?.fingerprint !== command.fingerprint) throw idempotencyConflict(command.commandId);
      return id;
    },
    approve: async (approvalId, approver) => {
      const person = personOf(approver);
      // The first approval stands: whoever approves again publishes the same command once more.
      await db.sql`
        UPDATE escrow.approval SET approved_by = ${person}, approved_at = clock_timestamp()
        WHERE id = ${approvalId} AND approved_by IS NULL AND asked_by <> ${person}`;
      const [row] = await db.sql<ApprovalRow>`
        SELECT command, asked_by, approved_by FROM escrow.approval WHERE id = ${approvalId}`;
      return row && approved(row);
    },
  };
}

function approved({ command, asked_by, approved_by }: ApprovalRow): Command {
  if (approved_by === null) {
    throw new HttpProblem("APPROVAL_REQUIRED", "Another operator must approve what you asked for.");
  }
  const message = fromBinary(CommandSchema, command);
  message.approvedBy = [subjectOf(asked_by), subjectOf(approved_by)];
  return message;
}

/** The person himself, whoever he acts for. */
function personOf({ issuer, subject }: Principal): string {
  return `${issuer}|${subject}`;
}

function subjectOf(person: string): string {
  return person.slice(person.lastIndexOf("|") + 1);
}
