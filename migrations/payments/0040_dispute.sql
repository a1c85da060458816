-- What outside parties take back: banks, the provider itself. One row each, for ever; the money that
-- was taken and did not come back is somewhere in it.
CREATE TABLE payments.dispute (
  escrow_no  bigint      NOT NULL,
  dispute_id text        NOT NULL,
  escrow_id  text        NOT NULL,
  provider   text        NOT NULL,
  kind       text        NOT NULL CHECK (kind IN ('DISPUTE', 'WARNING', 'FOREIGN_REFUND', 'FOREIGN_REVERSAL')),
  -- As the provider says.
  status     text        NOT NULL CHECK (status IN
    ('inquiry', 'inquiry_closed', 'open', 'won', 'lost', 'prevented')),
  -- What the escrow was told and not yet told the end of.
  lock       text        NOT NULL CHECK (lock IN ('NONE', 'RISK', 'CHARGEBACK')),
  currency   text        NOT NULL,
  amount     bigint      NOT NULL CHECK (amount >= 0),
  reason     text        NOT NULL,
  due_by     timestamptz,
  taken      bigint      NOT NULL CHECK (taken >= 0),
  reinstated bigint      NOT NULL CHECK (reinstated >= 0),
  open       bigint      NOT NULL CHECK (open >= 0),
  fees       bigint      NOT NULL CHECK (fees >= 0),
  pending    bigint      NOT NULL CHECK (pending >= 0),
  held       bigint      NOT NULL CHECK (held >= 0),
  debt       bigint      NOT NULL CHECK (debt >= 0),
  losses     bigint      NOT NULL,
  payable    bigint      NOT NULL CHECK (payable >= 0),
  opened_at  timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (escrow_no, dispute_id),
  UNIQUE (provider, dispute_id),
  CONSTRAINT dispute_explained CHECK (
    taken - reinstated = open + fees + pending + held + debt + losses - payable)
);
CREATE TABLE payments.dispute_movement (
  escrow_no   bigint      NOT NULL,
  dispute_id  text        NOT NULL,
  movement_id text        NOT NULL,
  direction   text        NOT NULL CHECK (direction IN ('taken', 'reinstated')),
  amount      bigint      NOT NULL CHECK (amount >= 0),
  -- The provider's; negative when it was given back.
  fee         bigint      NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (escrow_no, dispute_id, movement_id)
);
CREATE TRIGGER dispute_movement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON payments.dispute_movement FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();

-- From a seller's account to his bank; shown, never undone.
CREATE TABLE payments.payout (
  provider   text        NOT NULL,
  payout_id  text        NOT NULL,
  account_id text        NOT NULL,
  party_id   text        NOT NULL,
  status     text        NOT NULL CHECK (status IN ('pending', 'paid', 'failed')),
  amount     bigint      NOT NULL,
  currency   text        NOT NULL,
  code       text        NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (provider, payout_id)
);
CREATE INDEX payout_by_party ON payments.payout (party_id, created_at);

-- Whose account a webhook named: what it tells of is read there.
ALTER TABLE payments.provider_object ADD COLUMN account text NOT NULL DEFAULT '';

ALTER TABLE payments.operation
  DROP CONSTRAINT operation_kind_check,
  ADD CONSTRAINT operation_kind_check CHECK (kind IN
    ('CREATE_PAYMENT', 'CANCEL_PAYMENT', 'TRANSFER', 'REFUND', 'REVERSAL', 'RETRANSFER'));

ALTER TABLE sandbox.object
  DROP CONSTRAINT object_kind_check,
  ADD CONSTRAINT object_kind_check CHECK (kind IN
    ('payment', 'transfer', 'refund', 'account', 'reversal', 'dispute', 'warning', 'payout'));
CREATE INDEX object_by_seller ON sandbox.object (seller_id, currency)
  WHERE kind IN ('transfer', 'reversal', 'payout');
