-- The provider's own account of our balance, line by line, as it was read, and what of it differs
-- from the books.
CREATE TABLE payments.provider_movement (
  provider    text        NOT NULL,
  movement_id text        NOT NULL,
  -- What it moved for, by the provider's id; '' when it says none.
  object_id   text        NOT NULL,
  category    text        NOT NULL,
  -- Signed, minor units: what came into our balance before the fee.
  amount      bigint      NOT NULL,
  fee         bigint      NOT NULL,
  currency    text        NOT NULL,
  exchanged   boolean     NOT NULL,
  at          timestamptz NOT NULL,
  -- Whose it is: 0 is the platform's own book, and what nobody knows.
  escrow_no   bigint      NOT NULL,
  -- What it is compared under: an operation, 'payment', a dispute, or the movement itself.
  key         text        NOT NULL,
  -- Booked by rule to the platform's accounts.
  platform    boolean     NOT NULL,
  PRIMARY KEY (provider, movement_id)
);
CREATE INDEX provider_movement_by_key ON payments.provider_movement (escrow_no, key);
CREATE INDEX provider_movement_unknown ON payments.provider_movement (provider)
  WHERE escrow_no = 0 AND NOT platform;

CREATE TABLE payments.reconciliation_break (
  break_id    text        PRIMARY KEY,
  provider    text        NOT NULL,
  escrow_no   bigint      NOT NULL,
  key         text        NOT NULL,
  currency    text        NOT NULL,
  kind        text        NOT NULL CHECK (kind IN
    ('missing_here', 'missing_there', 'amount', 'fee', 'timing')),
  category    text        NOT NULL,
  ours        bigint      NOT NULL,
  theirs      bigint      NOT NULL,
  ours_fee    bigint      NOT NULL,
  theirs_fee  bigint      NOT NULL,
  exchanged   boolean     NOT NULL,
  found_at    timestamptz NOT NULL,
  seen_at     timestamptz NOT NULL,
  -- Two operators resumed the provider in its knowledge: it stops the line no more.
  accepted_at timestamptz,
  closed_at   timestamptz
);
CREATE UNIQUE INDEX reconciliation_break_open
  ON payments.reconciliation_break (provider, escrow_no, key, currency) WHERE closed_at IS NULL;

-- How far a provider's lists were read, and who is at it.
CREATE TABLE payments.provider_task (
  provider    text        NOT NULL,
  task        text        NOT NULL CHECK (task IN ('reconcile', 'sweep')),
  done_until  timestamptz,
  due_at      timestamptz NOT NULL,
  lease_until timestamptz,
  PRIMARY KEY (provider, task)
);

-- A row while the provider is stopped: nothing is released through it.
CREATE TABLE payments.provider_stop (
  provider   text        PRIMARY KEY,
  reason     text        NOT NULL,
  stopped_by text        NOT NULL,
  stopped_at timestamptz NOT NULL,
  -- escrow.v1.SealedText; null when nobody wrote one.
  note       bytea
);

-- A release was refused because the provider was stopped; the escrow is told when it is resumed.
ALTER TABLE payments.payment ADD COLUMN provider_waiting boolean NOT NULL DEFAULT false;
CREATE INDEX payment_provider_waiting ON payments.payment (provider) WHERE provider_waiting;

-- The number of the last transaction in the platform's own book; locked by whoever books there.
CREATE TABLE payments.platform_book (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  last bigint  NOT NULL
);
INSERT INTO payments.platform_book (last)
SELECT coalesce(max(number), 0) FROM payments.ledger_transaction WHERE escrow_no = 0;
CREATE INDEX platform_reference ON payments.ledger_transaction (reference) WHERE escrow_no = 0;
CREATE INDEX ledger_transaction_time ON payments.ledger_transaction USING brin (at);
