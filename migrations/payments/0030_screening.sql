-- Who is screened before money is taken or paid, what the screening said, and what was blocked.

-- One question about one party's wallet; while it is open it holds a deposit or a payout back. Its id
-- is the id of the review it may become.
CREATE TABLE payments.screening (
  review_id        text        PRIMARY KEY,
  escrow_no        bigint      NOT NULL,
  escrow_id        text        NOT NULL,
  purpose          text        NOT NULL CHECK (purpose IN ('DEPOSIT', 'PAYOUT')),
  -- The deposit or the transfer it is about.
  deposit_id       text        NOT NULL,
  operation_id     text        NOT NULL,
  party_id         text        NOT NULL,
  -- The wallet; '' where the provider has none.
  address          text        NOT NULL,
  amount           bigint      NOT NULL,
  currency         text        NOT NULL,
  -- DUE: nobody has answered yet. HELD: an operator decides. LIFTED: was BLOCKED.
  state            text        NOT NULL CHECK (state IN ('DUE', 'HELD', 'CLEARED', 'BLOCKED', 'LIFTED')),
  reason           text        NOT NULL,
  -- The escrow has been told that it waits.
  told             boolean     NOT NULL,
  decided_by       text[]      NOT NULL,
  -- What it moved to blocked: the exact mirror lifts it.
  blocked_pending  bigint      NOT NULL CHECK (blocked_pending >= 0),
  blocked_held     bigint      NOT NULL CHECK (blocked_held >= 0),
  blocked_fees     bigint      NOT NULL CHECK (blocked_fees >= 0),
  blocked_suspense bigint      NOT NULL CHECK (blocked_suspense >= 0),
  blocked_at       timestamptz,
  lifted_at        timestamptz,
  due_at           timestamptz,
  lease_until      timestamptz,
  tries            int         NOT NULL,
  opened_at        timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL
);
CREATE INDEX screening_by_escrow ON payments.screening (escrow_no);
CREATE INDEX screening_due ON payments.screening (due_at) WHERE state = 'DUE';
CREATE INDEX screening_open ON payments.screening (opened_at) WHERE state IN ('DUE', 'HELD', 'BLOCKED');
CREATE INDEX screening_blocked ON payments.screening (blocked_at) WHERE blocked_at IS NOT NULL;

-- What was answered, each time it was asked; of a review or of a refund address.
CREATE TABLE payments.screening_answer (
  answer_no    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id   text        NOT NULL,
  at           timestamptz NOT NULL,
  -- CLEAR, SANCTIONED or UNAVAILABLE.
  verdict      text        NOT NULL,
  score        int,
  source       text        NOT NULL,
  list_version text        NOT NULL
);
CREATE INDEX screening_answer_subject ON payments.screening_answer (subject_id, answer_no);
CREATE TRIGGER screening_answer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.screening_answer
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();

-- Where a buyer's money goes back to: proven by a signature, screened, one party's alone.
CREATE TABLE payments.refund_address (
  refund_address_id text        PRIMARY KEY,
  provider          text        NOT NULL,
  party_id          text        NOT NULL,
  chain_id          text        NOT NULL,
  address           text        NOT NULL,
  status            text        NOT NULL CHECK (status IN ('PENDING', 'READY', 'REJECTED')),
  registered_by     text        NOT NULL,
  due_at            timestamptz,
  lease_until       timestamptz,
  tries             int         NOT NULL,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  UNIQUE (provider, party_id),
  UNIQUE (provider, address)
);
CREATE INDEX refund_address_due ON payments.refund_address (due_at) WHERE status = 'PENDING';

-- The wallet a deposit came from.
ALTER TABLE payments.deposit ADD COLUMN source text NOT NULL DEFAULT '';

-- A refund of one deposit, and its asset where that is not the payment's.
ALTER TABLE payments.operation
  ADD COLUMN deposit_id text NOT NULL DEFAULT '',
  ADD COLUMN asset text NOT NULL DEFAULT '';
CREATE INDEX operation_refund_waits ON payments.operation (operation_id)
  WHERE state = 'FAILED' AND code = 'REFUND_ADDRESS_REQUIRED';
