/**
 * Ways to damage a database behind the program's back, each with the invariant that must name it.
 * $ESCROW and $OTHER stand for escrows' ids, $NO and $PNO for the first one's numbers.
 */
export interface Damage {
  readonly what: string;
  readonly sql: string;
  /** The invariant that must name it, and how. */
  readonly id: string;
  readonly names: string;
}

const someCommand = "(SELECT min(command_id) FROM escrow.command_outcome WHERE escrow_no = $NO)";
const lastEvent = "(SELECT max(version) FROM escrow.history WHERE escrow_no = $NO)";
const lastFact = "(SELECT max(version) FROM payments.history WHERE escrow_no = $PNO)";

/** A record in the middle of a topic, of the first escrow. */
const recordOf = (topic: string) => `topic = '${topic}' AND key = '$ESCROW' AND (p, off) =
  (SELECT p, off FROM log.message WHERE topic = '${topic}' AND key = '$ESCROW' ORDER BY off OFFSET 1 LIMIT 1)`;

/** Sets an escrow's second event aside, for a reader that has long applied it and those after it. */
const setAside = (value: string, off: string) => `INSERT INTO projections.parked (consumer, topic,
    part, off, key, message_id, message_type, value, headers, appended_at, state, attempts, cause)
  SELECT 'projections.escrow-events', topic, p, ${off}, key, 'x', 'x', ${value}, '{}', at, 'dead', 5, 'Error: x'
  FROM log.message WHERE ${recordOf("escrow.events.v1")};
  INSERT INTO projections.blocked_key (consumer, key) VALUES ('projections.escrow-events', '$ESCROW')`;

export const damages: readonly Damage[] = [
  {
    what: "a ledger entry's amount",
    sql: "UPDATE payments.entry SET amount = amount + 1 WHERE escrow_no = $PNO AND number = (SELECT min(number) FROM payments.entry WHERE escrow_no = $PNO) AND line = 1",
    id: "I1",
    names: "$PNO/",
  },
  {
    what: "a ledger transaction moved to other accounts, still balanced",
    sql: "UPDATE payments.entry SET account = 'platform_losses' WHERE escrow_no = $PNO AND account = 'platform_fees'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "a ledger transaction without entries",
    sql: "DELETE FROM payments.entry WHERE escrow_no = $PNO AND number = (SELECT max(number) FROM payments.entry WHERE escrow_no = $PNO)",
    id: "I1",
    names: "$PNO/",
  },
  {
    what: "a held balance of payments",
    sql: "UPDATE payments.payment SET held = held + 1, funded = funded + 1 WHERE escrow_id = '$ESCROW'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "a released total of payments",
    sql: "UPDATE payments.payment SET released = released + 1, funded = funded + 1 WHERE escrow_id = '$ESCROW'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "an escrow's funds against the equation",
    sql: "ALTER TABLE escrow.escrow DROP CONSTRAINT conservation; UPDATE escrow.escrow SET released = released + 1 WHERE id = '$ESCROW'",
    id: "I1",
    names: "$ESCROW",
  },
  {
    what: "an escrow's funds columns, equation kept",
    sql: "UPDATE escrow.escrow SET released = released + 1, funded = funded + 1 WHERE id = '$ESCROW'",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an escrow that has not seen payments' last word",
    sql: "UPDATE escrow.escrow SET seen_payments = seen_payments - 1 WHERE id = '$ESCROW'",
    id: "I9",
    names: "$ESCROW",
  },
  {
    what: "an escrow's snapshot",
    sql: "UPDATE escrow.escrow SET snapshot = (SELECT snapshot FROM escrow.escrow WHERE id = '$OTHER') WHERE id = '$ESCROW'",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an escrow's snapshot that no longer decodes",
    sql: "UPDATE escrow.escrow SET snapshot = '\\xffff' WHERE id = '$ESCROW'",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an escrow that is gone, its history left",
    sql: "DELETE FROM escrow.escrow WHERE id = '$ESCROW'",
    id: "I7",
    names: "$NO",
  },
  {
    what: "the last event of a history",
    sql: `DELETE FROM escrow.history WHERE escrow_no = $NO AND version = ${lastEvent}`,
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "an event in the middle of a history",
    sql: "DELETE FROM escrow.history WHERE escrow_no = $NO AND version = 2",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "a payload of the history",
    sql: "UPDATE escrow.history SET payload = payload || '\\xf20700' WHERE escrow_no = $NO AND version = 2",
    id: "I3",
    names: "$ESCROW version 2",
  },
  {
    what: "a payload of the history that no longer decodes",
    sql: "UPDATE escrow.history SET payload = '\\xffff' WHERE escrow_no = $NO AND version = 2",
    id: "I7",
    names: "$ESCROW",
  },
  {
    what: "the last fact of payments' history",
    sql: `DELETE FROM payments.history WHERE escrow_no = $PNO AND version = ${lastFact}`,
    id: "I3",
    names: "$ESCROW",
  },
  {
    what: "a payload of payments' history",
    sql: "UPDATE payments.history SET payload = payload || '\\xf20700' WHERE escrow_no = $PNO AND version = 2",
    id: "I3",
    names: "$ESCROW version 2",
  },
  {
    what: "a command's outcome",
    sql: `DELETE FROM escrow.command_outcome WHERE escrow_no = $NO AND command_id = ${someCommand}`,
    id: "I2",
    names: "has no outcome",
  },
  {
    what: "a second outcome of one command",
    sql: `INSERT INTO escrow.command_outcome SELECT 0, command_id, fingerprint, version, rejection
      FROM escrow.command_outcome WHERE escrow_no = $NO AND command_id = ${someCommand}`,
    id: "I2",
    names: "has 2 outcomes",
  },
  {
    what: "an outcome of a command nobody sent",
    sql: "INSERT INTO escrow.command_outcome (escrow_no, command_id, fingerprint, version) VALUES ($NO, 'invented', 'x', 1)",
    id: "I2",
    names: "invented",
  },
  {
    what: "a payments command's outcome",
    sql: "DELETE FROM payments.command_outcome WHERE escrow_no = $PNO AND command_id = (SELECT min(command_id) FROM payments.command_outcome WHERE escrow_no = $PNO)",
    id: "I2",
    names: "no outcome",
  },
  {
    what: "an event that is gone from its topic",
    sql: `DELETE FROM log.message WHERE ${recordOf("escrow.events.v1")}`,
    id: "I6",
    names: "is in the history, not on escrow.events.v1",
  },
  {
    what: "a fact that is gone from its topic",
    sql: `DELETE FROM log.message WHERE ${recordOf("payments.events.v1")}`,
    id: "I6",
    names: "is in the history, not on payments.events.v1",
  },
  {
    what: "an event whose bytes changed in its topic",
    sql: `UPDATE log.message SET value = value || '\\xf20700' WHERE ${recordOf("escrow.events.v1")}`,
    id: "I3",
    names: "$ESCROW version 2 differs from the history",
  },
  {
    what: "an event repeated in a foreign partition",
    sql: `INSERT INTO log.message SELECT topic, (p + 1) % 12, 1000000, key, value, headers, at
      FROM log.message WHERE ${recordOf("escrow.events.v1")};
      UPDATE log.partition SET next = 1000001 WHERE topic = 'escrow.events.v1'`,
    id: "I3",
    names: "$ESCROW version 2 in a foreign partition",
  },
  {
    what: "an acknowledged webhook that nobody remembers",
    sql: "DELETE FROM payments.webhook WHERE event_id = (SELECT min(event_id) FROM payments.webhook)",
    id: "I6",
    names: "webhook",
  },
  {
    what: "a transfer that the provider made twice",
    sql: `INSERT INTO sandbox.object SELECT object_id || '_again', kind, operation_id, group_id, source_id,
        buyer_id, seller_id, status, amount, currency, details, next_at, next_status, events, created_at
      FROM sandbox.object WHERE kind = 'transfer' AND group_id = '$ESCROW'`,
    id: "I4",
    names: "operation",
  },
  {
    what: "a transfer that the provider never made",
    sql: "DELETE FROM sandbox.object WHERE kind = 'transfer' AND group_id = '$ESCROW'",
    id: "I4",
    names: "operation",
  },
  {
    what: "a transfer of another amount in the provider's book",
    sql: "UPDATE sandbox.object SET amount = amount + 1 WHERE kind = 'transfer' AND group_id = '$ESCROW'",
    id: "I4",
    names: "operation",
  },
  {
    what: "a movement of the provider of another amount",
    sql: "UPDATE payments.provider_movement SET amount = amount + 1 WHERE escrow_no = $PNO AND key = 'payment' AND amount > 0",
    id: "I11",
    names: "$PNO/payment",
  },
  {
    what: "a movement of the provider with another fee",
    sql: "UPDATE payments.provider_movement SET fee = fee + 1 WHERE escrow_no = $PNO AND fee > 0",
    id: "I11",
    names: "$PNO/payment",
  },
  {
    what: "a movement of the provider that nobody booked",
    sql: `INSERT INTO payments.provider_movement VALUES ('sandbox', 'stray', 'stray', 'transfer', -5, 0,
      'USD', false, now() - interval '1 hour', 0, 'stray', false)`,
    id: "I11",
    names: "0/stray",
  },
  {
    what: "what we booked and the provider never moved",
    sql: "DELETE FROM payments.provider_movement WHERE escrow_no = $PNO AND category = 'transfer'",
    id: "I11",
    names: "nothing there",
  },
  {
    what: "a break with figures of yesterday",
    sql: `UPDATE payments.provider_movement SET amount = amount + 2 WHERE escrow_no = $PNO AND key = 'payment' AND amount > 0;
      INSERT INTO payments.reconciliation_break SELECT 'brk', provider, escrow_no, key, currency, 'amount', category,
        amount - 2, amount - 1, 0, 0, false, now(), now(), NULL, NULL
      FROM payments.provider_movement WHERE escrow_no = $PNO AND key = 'payment' AND amount > 0`,
    id: "I11",
    names: "$PNO/payment",
  },
  {
    what: "a treasury event that is gone from its topic",
    sql: "INSERT INTO payments.treasury_history VALUES ('sandbox', 1, 'unsaid', 'x', '', now())",
    id: "I6",
    names: "unsaid is in the history, not on treasury.events.v1",
  },
  {
    what: "a message that the log refused",
    sql: `INSERT INTO payments.outbox_held (pos, shard, id, aggregatetype, aggregateid, type, payload, headers, at, error)
      VALUES (1, 0, 'refused', 'payments.events.v1', '$ESCROW', 'x', '', '{}', now(), 'too large')`,
    id: "I9",
    names: "refused is set aside",
  },
  {
    what: "an operation that waits for a person",
    sql: "UPDATE payments.operation SET state = 'PERSON' WHERE escrow_no = $PNO AND kind = 'TRANSFER'",
    id: "I9",
    names: "waits for a person",
  },
  {
    what: "an object that could not be recorded",
    sql: "UPDATE payments.provider_object SET problem = 'odd' WHERE escrow_id = '$ESCROW' AND kind = 'payment'",
    id: "I9",
    names: "cannot be recorded: odd",
  },
  {
    what: "an escrow held back behind a dead message",
    sql: `INSERT INTO payments.blocked_key (consumer, key, since)
      VALUES ('payments.commands', '$ESCROW', now() - interval '1 hour')`,
    id: "I9",
    names: "payments.commands holds back $ESCROW",
  },
  {
    what: "a message set aside whose bytes are not the log's",
    sql: setAside("value || '\\x00'", "off"),
    id: "I10",
    names: "not the message the log has there",
  },
  {
    what: "a message set aside without a reason",
    sql: `${setAside("value", "off")}; UPDATE projections.parked SET cause = ''`,
    id: "I10",
    names: "set aside without a reason",
  },
  {
    what: "a message set aside that its consumer has not come to",
    sql: setAside("value", "off + 1000000"),
    id: "I10",
    names: "set aside, and not passed",
  },
  {
    what: "a key with a message set aside that is not held back",
    sql: `${setAside("value", "off")}; DELETE FROM projections.blocked_key`,
    id: "I10",
    names: "its key $ESCROW is not held back",
  },
  {
    what: "messages that slipped by one of their key that is set aside",
    sql: setAside("value", "off"),
    id: "I10",
    names: "slipped by",
  },
  {
    what: "a column of a view",
    sql: "UPDATE projections.escrow_view SET held = held + 1 WHERE escrow_id = '$ESCROW'",
    id: "I5",
    names: "$ESCROW",
  },
  {
    what: "a view's record",
    sql: "UPDATE projections.escrow_view SET record = (SELECT record FROM projections.escrow_view WHERE escrow_id = '$OTHER') WHERE escrow_id = '$ESCROW'",
    id: "I5",
    names: "$ESCROW",
  },
  {
    what: "a view that is gone",
    sql: "DELETE FROM projections.escrow_view WHERE escrow_id = '$ESCROW'",
    id: "I5",
    names: "$ESCROW",
  },
  {
    what: "a party's balance",
    sql: "UPDATE projections.party_balance SET released = released + 1 WHERE party_id = 'bob'",
    id: "I5",
    names: "bob",
  },
  {
    what: "an outcome that queries answer with",
    sql: "UPDATE projections.command_outcome SET status = 'rejected' WHERE command_id = (SELECT min(command_id) FROM projections.command_outcome)",
    id: "I5",
    names: "command",
  },
  {
    what: "a message that has waited in an outbox for long",
    sql: "INSERT INTO escrow.outbox (shard, id, aggregatetype, aggregateid, type, payload, headers, at) VALUES (0, 'forgotten', 'escrow.events.v1', '$ESCROW', 'x', '', '{}', now() - interval '1 hour')",
    id: "I9",
    names: "forgotten",
  },
  {
    what: "a consumer that stands still",
    sql: `UPDATE escrow.consumer_cursor SET next = next - 1 WHERE consumer = 'escrow.payments-events'
      AND part = (SELECT p FROM log.message WHERE topic = 'payments.events.v1' AND key = '$ESCROW' LIMIT 1)`,
    id: "I9",
    names: "payments.events.v1/",
  },
];
