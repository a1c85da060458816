-- What is said of a party or a provider, numbered per subject like an escrow's events are: the row
-- is locked by whoever says something of it, after all other locks.
CREATE TABLE payments.treasury_subject (
  subject text   PRIMARY KEY,
  version bigint NOT NULL CHECK (version > 0)
);
CREATE TABLE payments.treasury_history (
  subject  text        NOT NULL,
  version  bigint      NOT NULL,
  event_id text        NOT NULL,
  type     text        NOT NULL,
  payload  bytea       NOT NULL,
  at       timestamptz NOT NULL,
  PRIMARY KEY (subject, version)
);
CREATE TRIGGER treasury_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.treasury_history
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();
