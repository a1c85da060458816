-- The audit log: rows that say who asked, what was decided, called, received and booked. Each is
-- named in the queue by the transaction that writes it, and after its commit chained by hash.
CREATE TABLE payments.audit_queue (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text   NOT NULL,
  key    text   NOT NULL
);
-- A link covers many rows: their names, the hash of each one's content, and the chain's hash so far.
CREATE TABLE payments.audit_link (
  seq     bigint      PRIMARY KEY,
  at      timestamptz NOT NULL,
  sources text[]      NOT NULL,
  keys    text[]      NOT NULL,
  rows    text[]      NOT NULL,
  hash    text        NOT NULL
);
CREATE TRIGGER audit_link_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.audit_link
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();
-- Locked by whoever appends: one at a time.
CREATE TABLE payments.audit_head (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq  bigint  NOT NULL,
  hash text    NOT NULL
);
INSERT INTO payments.audit_head (seq, hash) VALUES (0, '');

CREATE FUNCTION payments.audit_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'history', escrow_no || '/' || version FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_history AFTER INSERT ON payments.history REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_history();
CREATE FUNCTION payments.audit_ledger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'ledger', escrow_no || '/' || number FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_ledger AFTER INSERT ON payments.ledger_transaction REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_ledger();
CREATE FUNCTION payments.audit_outcome() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'command_outcome', escrow_no || '/' || command_id FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_outcome AFTER INSERT ON payments.command_outcome REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_outcome();
CREATE FUNCTION payments.audit_webhook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'webhook', provider || '/' || event_id FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_webhook AFTER INSERT ON payments.webhook REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_webhook();
CREATE FUNCTION payments.audit_treasury() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'treasury_history', version || '/' || subject FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_treasury AFTER INSERT ON payments.treasury_history REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_treasury();
CREATE FUNCTION payments.audit_asked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'approval', id FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_asked AFTER INSERT ON payments.approval REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_asked();

INSERT INTO payments.audit_queue (source, key)
SELECT 'history', escrow_no || '/' || version FROM payments.history
UNION ALL SELECT 'ledger', escrow_no || '/' || number FROM payments.ledger_transaction
UNION ALL SELECT 'command_outcome', escrow_no || '/' || command_id FROM payments.command_outcome
UNION ALL SELECT 'webhook', provider || '/' || event_id FROM payments.webhook
UNION ALL SELECT 'treasury_history', version || '/' || subject FROM payments.treasury_history
UNION ALL SELECT 'approval', id FROM payments.approval;
