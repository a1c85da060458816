-- What the redrive and operators' replays keep of a parked message.
ALTER TABLE {{schema}}.parked
  -- Who is about to try it, since when: committed before it is touched.
  ADD COLUMN in_hand_of text,
  ADD COLUMN in_hand_since timestamptz,
  -- How often a process ended while it had it in hand.
  ADD COLUMN crashes int NOT NULL DEFAULT 0,
  -- It was dead when an operator asked for a try: when that fails, it is dead again.
  ADD COLUMN one_try boolean NOT NULL DEFAULT false,
  -- The same for failures of one cause and type. Of the last failure.
  ADD COLUMN fingerprint text NOT NULL DEFAULT 'unknown';

UPDATE {{schema}}.parked SET fingerprint = left(md5(message_type || ' ' ||
    regexp_replace(left(cause, 200), '[[:alnum:]_-]*[0-9][[:alnum:]_-]*', '#', 'g')), 12)
WHERE attempts > 0;

DROP VIEW {{schema}}.letter;
CREATE VIEW {{schema}}.letter AS
SELECT p.*, split_part(p.cause, ':', 1) AS cause_class
FROM {{schema}}.parked p WHERE p.attempts > 0;
