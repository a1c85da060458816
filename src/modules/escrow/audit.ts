/**
 * Escrow's audit log is made of the rows it keeps for ever anyway: its events, which name the actor
 * and the command of every decision, the outcome of each command, and what an operator asked for
 * that needs a second one; the approval itself stands in the command that follows from it.
 */
import {
  type AuditLog,
  type AuditSource,
  auditSourcesOf,
  createAuditLog,
  type HashRow,
} from "#platform/audit";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";

const source = auditSourcesOf("escrow");

/** Arrays as JSON are one unambiguous text, whatever is in them; instants as microseconds. */
const sources: readonly AuditSource[] = [
  source(
    "history",
    "history",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(h.escrow_no, h.version, h.event_id,
      encode(h.payload, 'hex'))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN escrow.history h
      ON h.escrow_no = split_part(k.key, '/', 1)::bigint
      AND h.version = split_part(k.key, '/', 2)::bigint`,
  ),
  source(
    "command_outcome",
    "command_outcome",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(o.escrow_no, o.command_id,
      o.fingerprint, o.version, encode(o.rejection, 'hex'))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN escrow.command_outcome o
      ON o.escrow_no = split_part(k.key, '/', 1)::bigint
      AND o.command_id = split_part(k.key, '/', 2)`,
  ),
  source(
    "approval",
    "approval",
    (db, keys) => db.sql<HashRow>`
    SELECT a.id AS key, encode(sha256(convert_to(jsonb_build_array(a.id, a.escrow_id, a.fingerprint,
      encode(a.command, 'hex'), a.asked_by, extract(epoch FROM a.asked_at))::text, 'UTF8')), 'hex') AS hash
    FROM escrow.approval a WHERE a.id = ANY(${keys}::text[])`,
  ),
  source(
    "letter_action",
    "letter_action",
    (db, keys) => db.sql<HashRow>`
    SELECT a.id::text AS key, encode(sha256(convert_to(jsonb_build_array(a.action, a.consumer,
      a.topic, a.part, a.off, a.key, a.message_id, a.message_type, encode(a.value, 'hex'), a.headers,
      a.attempts, a.cause, a.reason, a.asked_by, a.approved_by,
      extract(epoch FROM a.at))::text, 'UTF8')), 'hex') AS hash
    FROM escrow.letter_action a WHERE a.id = ANY(${keys}::bigint[])`,
  ),
];

export function createEscrowAudit(options: {
  readonly db: Database;
  readonly clock: Clock;
}): AuditLog {
  return createAuditLog({ ...options, schema: "escrow", sources });
}
