-- What operators see of messages that failed, and what they did about them.

-- Of the last failure.
ALTER TABLE {{schema}}.parked ADD COLUMN stack text NOT NULL DEFAULT '';

-- The dead letters, and those that will be tried again by themselves; not what only waits behind one.
-- The fingerprint is the same for failures of one cause: words with a digit (ids, numbers) are left out.
CREATE VIEW {{schema}}.letter AS
SELECT p.*, split_part(p.cause, ':', 1) AS cause_class,
  left(md5(p.message_type || ' ' ||
    regexp_replace(left(p.cause, 200), '[[:alnum:]_-]*[0-9][[:alnum:]_-]*', '#', 'g')), 12) AS fingerprint
FROM {{schema}}.parked p WHERE p.attempts > 0;

-- Who did what with which message, and why. A discarded one is kept here whole.
CREATE TABLE {{schema}}.letter_action (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- retry: of an outbox row the log refused; off is its position.
  action       text        NOT NULL CHECK (action IN ('replay', 'discard', 'retry')),
  consumer     text        NOT NULL,
  topic        text        NOT NULL,
  part         int         NOT NULL,
  off          bigint      NOT NULL,
  key          text        NOT NULL,
  message_id   text        NOT NULL,
  message_type text        NOT NULL,
  value        bytea       CHECK (action <> 'discard' OR value IS NOT NULL),
  headers      jsonb       NOT NULL,
  attempts     int         NOT NULL,
  cause        text        NOT NULL,
  reason       text        NOT NULL,
  -- Issuer | subject.
  asked_by     text        NOT NULL,
  approved_by  text,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT two_operators CHECK (approved_by <> asked_by)
);
CREATE INDEX letter_action_by_place ON {{schema}}.letter_action (consumer, topic, part, off);

CREATE FUNCTION {{schema}}.letter_action_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '23514', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER letter_action_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {{schema}}.letter_action
  FOR EACH STATEMENT EXECUTE FUNCTION {{schema}}.letter_action_append_only();
