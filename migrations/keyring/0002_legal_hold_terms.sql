-- Subjects whose texts must be kept, whoever asks for their erasure: a case is open.
CREATE TABLE keyring.legal_hold (
  subject   text        PRIMARY KEY CHECK (length(subject) BETWEEN 1 AND 128),
  -- The case's own number; no text about people.
  reference text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 64),
  set_by    text        NOT NULL,
  set_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
