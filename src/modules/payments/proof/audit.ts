/**
 * Payments' audit log is made of the rows it keeps for ever anyway: what was said, which has every
 * decision, provider call and webhook's effect; the ledger; the outcome of each command; webhooks as
 * they were received; what two operators did; where parties are to be paid. A copy beside them could say something else.
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

const source = auditSourcesOf("payments");

/** Arrays as JSON are one unambiguous text, whatever is in them; instants as microseconds. */
const sources: readonly AuditSource[] = [
  source(
    "history",
    "history",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(h.escrow_no, h.version, h.escrow_id,
      h.event_id, h.type, encode(h.payload, 'hex'), extract(epoch FROM h.at))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN payments.history h
      ON h.escrow_no = split_part(k.key, '/', 1)::bigint
      AND h.version = split_part(k.key, '/', 2)::bigint`,
  ),
  source(
    "ledger",
    "ledger_transaction",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(t.escrow_no, t.number, t.escrow_id,
      t.reason, t.reference, extract(epoch FROM t.at), (
        SELECT jsonb_agg(jsonb_build_array(e.line, e.account, e.owner, e.currency, e.amount) ORDER BY e.line)
        FROM payments.entry e WHERE e.escrow_no = t.escrow_no AND e.number = t.number
      ))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN payments.ledger_transaction t
      ON t.escrow_no = split_part(k.key, '/', 1)::bigint
      AND t.number = split_part(k.key, '/', 2)::bigint`,
  ),
  source(
    "command_outcome",
    "command_outcome",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(o.escrow_no, o.command_id, o.escrow_id,
      o.type, o.status, o.code, o.fingerprint, extract(epoch FROM o.at))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN payments.command_outcome o
      ON o.escrow_no = split_part(k.key, '/', 1)::bigint
      AND o.command_id = split_part(k.key, '/', 2)`,
  ),
  source(
    "webhook",
    "webhook",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(w.provider, w.event_id, w.type,
      w.object_id, extract(epoch FROM w.received_at))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN payments.webhook w
      ON w.provider = split_part(k.key, '/', 1)
      AND w.event_id = substr(k.key, strpos(k.key, '/') + 1)`,
  ),
  source(
    "treasury_history",
    "treasury_history",
    (db, keys) => db.sql<HashRow>`
    SELECT k.key, encode(sha256(convert_to(jsonb_build_array(h.subject, h.version, h.event_id,
      h.type, encode(h.payload, 'hex'), extract(epoch FROM h.at))::text, 'UTF8')), 'hex') AS hash
    FROM unnest(${keys}::text[]) AS k(key) JOIN payments.treasury_history h
      ON h.version = split_part(k.key, '/', 1)::bigint
      AND h.subject = substr(k.key, strpos(k.key, '/') + 1)`,
  ),
  source(
    "approval",
    "approval",
    (db, keys) => db.sql<HashRow>`
    SELECT a.id AS key, encode(sha256(convert_to(jsonb_build_array(a.id, a.escrow_id, a.fingerprint,
      encode(a.command, 'hex'), a.asked_by, extract(epoch FROM a.asked_at))::text, 'UTF8')), 'hex') AS hash
    FROM payments.approval a WHERE a.id = ANY(${keys}::text[])`,
  ),
  source(
    "letter_action",
    "letter_action",
    (db, keys) => db.sql<HashRow>`
    SELECT a.id::text AS key, encode(sha256(convert_to(jsonb_build_array(a.action, a.consumer,
      a.topic, a.part, a.off, a.key, a.message_id, a.message_type, encode(a.value, 'hex'), a.headers,
      a.attempts, a.cause, a.reason, a.asked_by, a.approved_by,
      extract(epoch FROM a.at))::text, 'UTF8')), 'hex') AS hash
    FROM payments.letter_action a WHERE a.id = ANY(${keys}::bigint[])`,
  ),
  source(
    "payout_change",
    "payout_change",
    (db, keys) => db.sql<HashRow>`
    SELECT c.id::text AS key, encode(sha256(convert_to(jsonb_build_array(c.payout_method_id,
      c.party_id, c.provider, c.service_id, c.former_account, c.account_id, c.changed_by,
      extract(epoch FROM c.at))::text, 'UTF8')), 'hex') AS hash
    FROM payments.payout_change c WHERE c.id = ANY(${keys}::bigint[])`,
  ),
];

export function createPaymentsAudit(options: {
  readonly db: Database;
  readonly clock: Clock;
}): AuditLog {
  return createAuditLog({ ...options, schema: "payments", sources });
}
