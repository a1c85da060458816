-- What queries read. Every table is a fold of the topics and can be made anew from them.

CREATE TABLE projections.escrow_view (
  escrow_id  text        PRIMARY KEY,
  -- The last event applied: contiguous, so a repeat or a gap is seen.
  version    bigint      NOT NULL,
  state      text        NOT NULL,
  buyer_id   text        NOT NULL,
  seller_id  text        NOT NULL,
  service_id text        NOT NULL,
  currency   text        NOT NULL,
  amount     bigint      NOT NULL,
  reference  text        NOT NULL,
  held       bigint      NOT NULL,
  reserved   bigint      NOT NULL,
  released   bigint      NOT NULL,
  refunded   bigint      NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  -- escrow.v1.EscrowRecord
  record     bytea       NOT NULL
);
CREATE INDEX escrow_view_by_age ON projections.escrow_view (created_at DESC, escrow_id DESC);
CREATE INDEX escrow_view_by_buyer ON projections.escrow_view (buyer_id, created_at DESC, escrow_id DESC);
CREATE INDEX escrow_view_by_seller ON projections.escrow_view (seller_id, created_at DESC, escrow_id DESC);
CREATE INDEX escrow_view_by_state ON projections.escrow_view (state, created_at DESC, escrow_id DESC);

-- What became of a command; pending from the moment it was read from its topic.
CREATE TABLE projections.command_outcome (
  command_id  text   PRIMARY KEY,
  escrow_id   text   NOT NULL,
  actor_id    text   NOT NULL,
  fingerprint text   NOT NULL,
  status      text   NOT NULL CHECK (status IN ('pending', 'succeeded', 'rejected')),
  code        text   NOT NULL DEFAULT '',
  detail      text   NOT NULL DEFAULT '',
  event_ids   text[] NOT NULL DEFAULT '{}',
  version     bigint NOT NULL DEFAULT 0
);

-- One line per message that concerns an escrow.
CREATE TABLE projections.timeline (
  escrow_id      text        NOT NULL,
  kind           text        NOT NULL,
  id             text        NOT NULL,
  at             timestamptz NOT NULL,
  version        bigint      NOT NULL,
  type           text        NOT NULL,
  actor          text        NOT NULL,
  correlation_id text        NOT NULL,
  summary        text        NOT NULL,
  PRIMARY KEY (escrow_id, kind, id)
);

-- The last number of payments.events applied per escrow.
CREATE TABLE projections.payments_progress (
  escrow_id text   PRIMARY KEY,
  version   bigint NOT NULL
);

-- What each party has in escrows, per side and currency, minor units.
CREATE TABLE projections.party_balance (
  party_id text   NOT NULL,
  side     text   NOT NULL CHECK (side IN ('buyer', 'seller')),
  currency text   NOT NULL,
  escrows  bigint NOT NULL,
  held     bigint NOT NULL,
  reserved bigint NOT NULL,
  released bigint NOT NULL,
  refunded bigint NOT NULL,
  PRIMARY KEY (party_id, side, currency)
);
