-- The audit log: rows that say who asked and what was decided. Each is named in the queue by the
-- transaction that writes it, and after its commit chained by hash.
CREATE TABLE escrow.audit_queue (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text   NOT NULL,
  key    text   NOT NULL
);
-- A link covers many rows: their names, the hash of each one's content, and the chain's hash so far.
CREATE TABLE escrow.audit_link (
  seq     bigint      PRIMARY KEY,
  at      timestamptz NOT NULL,
  sources text[]      NOT NULL,
  keys    text[]      NOT NULL,
  rows    text[]      NOT NULL,
  hash    text        NOT NULL
);
-- Locked by whoever appends: one at a time.
CREATE TABLE escrow.audit_head (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq  bigint  NOT NULL,
  hash text    NOT NULL
);
INSERT INTO escrow.audit_head (seq, hash) VALUES (0, '');

CREATE FUNCTION escrow.audit_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO escrow.audit_queue (source, key) SELECT 'history', escrow_no || '/' || version FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_history AFTER INSERT ON escrow.history REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION escrow.audit_history();
CREATE FUNCTION escrow.audit_outcome() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO escrow.audit_queue (source, key) SELECT 'command_outcome', escrow_no || '/' || command_id FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_outcome AFTER INSERT ON escrow.command_outcome REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION escrow.audit_outcome();
CREATE FUNCTION escrow.audit_asked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO escrow.audit_queue (source, key) SELECT 'approval', id FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_asked AFTER INSERT ON escrow.approval REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION escrow.audit_asked();

INSERT INTO escrow.audit_queue (source, key)
SELECT 'history', escrow_no || '/' || version FROM escrow.history
UNION ALL SELECT 'command_outcome', escrow_no || '/' || command_id FROM escrow.command_outcome
UNION ALL SELECT 'approval', id FROM escrow.approval;
