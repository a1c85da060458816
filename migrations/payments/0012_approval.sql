-- What one operator asked of payments and a second one must approve before it is done.
CREATE TABLE payments.approval (
  id          text        PRIMARY KEY,
  escrow_id   text        NOT NULL,
  fingerprint text        NOT NULL,
  -- payments.v1.Command, as it will be published.
  command     bytea       NOT NULL,
  -- Issuer | subject: the person, whoever he acts for.
  asked_by    text        NOT NULL,
  asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  approved_by text,
  approved_at timestamptz,
  CONSTRAINT two_operators CHECK (approved_by <> asked_by),
  CHECK ((approved_by IS NULL) = (approved_at IS NULL))
);
CREATE INDEX approval_open ON payments.approval (asked_at) WHERE approved_by IS NULL;
