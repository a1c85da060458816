-- What one operator asked about the system itself and a second one must approve before it is done.
CREATE TABLE access.approval (
  id          text        PRIMARY KEY,
  -- The escrow it is about; '' where there is none, or more than one.
  escrow_id   text        NOT NULL,
  fingerprint text        NOT NULL,
  -- platform.v1.OperatorRequest.
  command     bytea       NOT NULL,
  -- Issuer | subject: the person, whoever he acts for.
  asked_by    text        NOT NULL,
  asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  approved_by text,
  approved_at timestamptz,
  CONSTRAINT two_operators CHECK (approved_by <> asked_by),
  CHECK ((approved_by IS NULL) = (approved_at IS NULL))
);
CREATE INDEX approval_open ON access.approval (asked_at) WHERE approved_by IS NULL;
