-- The books. Append-only: each ledger transaction is inserted whole, balanced per currency, in the
-- database transaction of the payment it explains; the database refuses anything else.

CREATE SEQUENCE payments.escrow_no;

-- The root: one row per escrow, locked by whoever writes anything of that escrow. It carries the
-- number of the last event (payments.events is 1..n per escrow) and the escrow's own balances.
CREATE TABLE payments.payment (
  escrow_no            bigint      PRIMARY KEY,
  escrow_id            text        NOT NULL UNIQUE,
  payment_id           text        NOT NULL UNIQUE,
  version              bigint      NOT NULL,
  buyer_id             text        NOT NULL,
  seller_id            text        NOT NULL,
  -- The service that created the escrow, '' when none did: it may act for the members.
  service_id           text        NOT NULL,
  provider             text        NOT NULL,
  currency             text        NOT NULL,
  amount               bigint      NOT NULL CHECK (amount > 0),
  buyer_fee            bigint      NOT NULL CHECK (buyer_fee >= 0),
  seller_fee           bigint      NOT NULL CHECK (seller_fee >= 0),
  chargeback_liability text        NOT NULL,
  descriptor_suffix    text        NOT NULL,
  status               text        NOT NULL,
  -- The provider's id of the payment, once it has one.
  provider_ref         text,
  -- What the buyer needs in order to pay, as the provider gave it.
  instructions         jsonb       NOT NULL,
  last_error           text,
  provider_fee         bigint,
  cancelled            boolean     NOT NULL,
  -- Locks that stop money from leaving: a bank dispute, a sanctions hit; a review stops funding.
  frozen               boolean     NOT NULL,
  sanctioned           boolean     NOT NULL,
  in_review            boolean     NOT NULL,
  -- A release waits for the seller to become able to receive.
  seller_waiting       boolean     NOT NULL,
  funded               bigint      NOT NULL CHECK (funded >= 0),
  pending              bigint      NOT NULL CHECK (pending >= 0),
  held                 bigint      NOT NULL CHECK (held >= 0),
  reserved             bigint      NOT NULL CHECK (reserved >= 0),
  released             bigint      NOT NULL CHECK (released >= 0),
  refunded             bigint      NOT NULL CHECK (refunded >= 0),
  fees                 bigint      NOT NULL CHECK (fees >= 0),
  charged_back         bigint      NOT NULL CHECK (charged_back >= 0),
  blocked              bigint      NOT NULL CHECK (blocked >= 0),
  expires_at           timestamptz,
  created_at           timestamptz NOT NULL,
  updated_at           timestamptz NOT NULL,
  CONSTRAINT payment_conserves CHECK (
    funded = pending + held + reserved + released + refunded + fees + charged_back + blocked)
) WITH (fillfactor = 70);
CREATE INDEX payment_waiting ON payments.payment (seller_id, provider) WHERE seller_waiting;

-- (escrow_no, number) is the escrow and the number of the LedgerPosted event that says it;
-- escrow_no 0 is the platform's own book.
CREATE TABLE payments.ledger_transaction (
  escrow_no    bigint      NOT NULL,
  number       bigint      NOT NULL,
  escrow_id    text        NOT NULL,
  reason       text        NOT NULL,
  -- The operation, deposit or dispute it explains.
  reference    text        NOT NULL CHECK (reference <> ''),
  at           timestamptz NOT NULL,
  PRIMARY KEY (escrow_no, number)
);

-- Signed: a debit is positive. Lines 2k+1 and 2k+2 are the debit and the credit of one posting.
CREATE TABLE payments.entry (
  escrow_no bigint   NOT NULL,
  number    bigint   NOT NULL,
  line      smallint NOT NULL CHECK (line > 0),
  -- The account: its kind, and whose it is where several exist (provider, dispute, party).
  account   text     NOT NULL CHECK (account IN (
    'clearing', 'dispute', 'seller_debt', 'platform_bank',
    'pending', 'held', 'reserved', 'blocked', 'suspense', 'suspense_blocked', 'seller_payable',
    'platform_fees', 'provider_fees', 'platform_losses')),
  owner     text     NOT NULL,
  currency  text     NOT NULL,
  amount    bigint   NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (escrow_no, number, line)
);

CREATE FUNCTION payments.entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM inserted GROUP BY escrow_no, number, currency HAVING sum(amount) <> 0
  ) THEN
    RAISE EXCEPTION 'a ledger transaction does not balance' USING ERRCODE = '23514', CONSTRAINT = 'entry_balances';
  END IF;
  -- Line 1 in each group: nothing can be added to a transaction that already stands.
  IF EXISTS (
    SELECT FROM inserted GROUP BY escrow_no, number HAVING min(line) <> 1
  ) OR EXISTS (
    SELECT FROM inserted i WHERE NOT EXISTS (
      SELECT FROM payments.ledger_transaction t WHERE t.escrow_no = i.escrow_no AND t.number = i.number)
  ) THEN
    RAISE EXCEPTION 'a ledger transaction is inserted whole, with its head' USING ERRCODE = '23514', CONSTRAINT = 'entry_whole';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER entry_balances AFTER INSERT ON payments.entry
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION payments.entry_balances();

CREATE FUNCTION payments.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '23514', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.entry
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.ledger_transaction
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();

-- The row's balances move only with their entries, which are written first.
CREATE FUNCTION payments.balances_have_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM written w
    WHERE (w.pending, w.held, w.reserved, w.blocked, w.fees) IS DISTINCT FROM (
      SELECT (coalesce(sum(-amount) FILTER (WHERE account = 'pending'), 0)::bigint,
              coalesce(sum(-amount) FILTER (WHERE account = 'held'), 0)::bigint,
              coalesce(sum(-amount) FILTER (WHERE account = 'reserved'), 0)::bigint,
              coalesce(sum(-amount) FILTER (WHERE account = 'blocked'), 0)::bigint,
              coalesce(sum(-amount) FILTER (WHERE account = 'platform_fees'), 0)::bigint)
      FROM payments.entry e WHERE e.escrow_no = w.escrow_no AND e.currency = w.currency)
  ) THEN
    RAISE EXCEPTION 'an escrow''s balances differ from its entries' USING ERRCODE = '23514', CONSTRAINT = 'balances_have_entries';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER payment_inserted AFTER INSERT ON payments.payment
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION payments.balances_have_entries();
CREATE TRIGGER payment_updated AFTER UPDATE ON payments.payment
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION payments.balances_have_entries();

-- What a seller owes the platform. Locked after the roots; netted from later releases.
CREATE TABLE payments.seller_debt (
  party_id text   NOT NULL,
  currency text   NOT NULL,
  owed     bigint NOT NULL CHECK (owed >= 0),
  PRIMARY KEY (party_id, currency)
);

-- Every event ever said, as its bytes: what the topic holds, kept here for ever.
CREATE TABLE payments.history (
  escrow_no bigint      NOT NULL,
  version   bigint      NOT NULL,
  escrow_id text        NOT NULL,
  event_id  text        NOT NULL,
  type      text        NOT NULL,
  payload   bytea       NOT NULL,
  at        timestamptz NOT NULL,
  PRIMARY KEY (escrow_no, version)
);
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.history
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();

-- The few accounts that span escrows and may not be overdrawn.
CREATE INDEX entry_across ON payments.entry (account, owner, currency)
  WHERE account IN ('suspense', 'suspense_blocked', 'seller_payable', 'seller_debt');
