-- The book of the simulated provider: another system that happens to live beside us. Payments
-- reaches it through the provider port only.
CREATE SCHEMA sandbox;

CREATE TABLE sandbox.object (
  object_id    text        PRIMARY KEY,
  kind         text        NOT NULL CHECK (kind IN ('payment', 'transfer', 'refund', 'account')),
  -- What the caller gave along: found again by list after an unknown outcome.
  operation_id text        NOT NULL,
  group_id     text        NOT NULL,
  -- The payment a refund or transfer draws on.
  source_id    text,
  buyer_id     text        NOT NULL,
  seller_id    text        NOT NULL,
  status       text        NOT NULL,
  amount       bigint      NOT NULL,
  currency     text        NOT NULL,
  -- deposits, fee, error, requirements: what the object shows besides.
  details      jsonb       NOT NULL,
  -- When it goes on by itself, and to which status.
  next_at      timestamptz,
  next_status  text,
  -- Counts its events.
  events       int         NOT NULL,
  created_at   timestamptz NOT NULL
);
CREATE INDEX object_next ON sandbox.object (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX object_by_group ON sandbox.object (group_id, kind);

-- Answers are replayed for 24 hours of business time, errors included.
CREATE TABLE sandbox.saved_answer (
  key       text        PRIMARY KEY,
  body_hash text        NOT NULL,
  -- Null while the call is under way.
  answer    jsonb,
  calls     int         NOT NULL,
  saved_at  timestamptz NOT NULL
);

-- Webhooks on their way; a row goes when it was taken.
CREATE TABLE sandbox.delivery (
  delivery_no bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id    text        NOT NULL,
  object_id   text        NOT NULL,
  body        text        NOT NULL,
  due_at      timestamptz NOT NULL,
  lease_until timestamptz,
  attempts    int         NOT NULL DEFAULT 0
);
CREATE INDEX delivery_due ON sandbox.delivery (due_at);
