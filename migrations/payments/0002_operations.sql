-- How commands become provider calls, and how the provider's facts come back.

-- One outcome per command, for ever. escrow_no 0: no such escrow was known.
CREATE TABLE payments.command_outcome (
  escrow_no   bigint      NOT NULL,
  command_id  text        NOT NULL,
  escrow_id   text        NOT NULL,
  type        text        NOT NULL,
  status      text        NOT NULL CHECK (status IN ('succeeded', 'rejected')),
  code        text        NOT NULL,
  fingerprint text        NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (escrow_no, command_id)
);

-- A provider call: the intention with its key and bytes is committed before the first call.
CREATE TABLE payments.operation (
  escrow_no      bigint      NOT NULL,
  operation_id   text        PRIMARY KEY,
  escrow_id      text        NOT NULL,
  kind           text        NOT NULL CHECK (kind IN ('CREATE_PAYMENT', 'CANCEL_PAYMENT', 'TRANSFER', 'REFUND')),
  provider       text        NOT NULL,
  -- The order of calls within an escrow.
  number         bigint      NOT NULL,
  attempt        int         NOT NULL CHECK (attempt > 0),
  -- Operation id and attempt; bound for ever to the bytes of `params`.
  key            text        NOT NULL UNIQUE,
  params         bytea       NOT NULL,
  body_hash      text        NOT NULL,
  state          text        NOT NULL CHECK (state IN
    ('READY', 'SENT', 'UNKNOWN', 'LOOKUP', 'PENDING', 'SUCCEEDED', 'FAILED', 'REJECTED', 'WITHDRAWN', 'PERSON')),
  due_at         timestamptz,
  lease_until    timestamptz,
  tries          int         NOT NULL,
  lookups        int         NOT NULL,
  first_sent_at  timestamptz,
  object_id      text,
  code           text        NOT NULL,
  -- Minor units. gross = fee + netted + net; net goes to the provider.
  gross          bigint      NOT NULL CHECK (gross >= 0),
  fee            bigint      NOT NULL CHECK (fee >= 0),
  netted         bigint      NOT NULL CHECK (netted >= 0),
  net            bigint      NOT NULL CHECK (net >= 0),
  correlation_id text        NOT NULL,
  causation_id   text        NOT NULL,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX operation_due ON payments.operation (due_at)
  WHERE state IN ('READY', 'SENT', 'UNKNOWN', 'LOOKUP');
CREATE INDEX operation_by_escrow ON payments.operation (escrow_no, number);

-- Money that arrived, each once for ever.
CREATE TABLE payments.deposit (
  escrow_no   bigint      NOT NULL,
  deposit_id  text        NOT NULL,
  provider    text        NOT NULL,
  amount      bigint      NOT NULL CHECK (amount > 0),
  currency    text        NOT NULL,
  disposition text        NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (escrow_no, deposit_id),
  UNIQUE (provider, deposit_id)
);

-- A thing at a provider. Webhooks and call outcomes both insert or lock this row before they look
-- for, or leave, an unmatched webhook: else both commit and the webhook is stuck.
CREATE TABLE payments.provider_object (
  provider     text        NOT NULL,
  object_id    text        NOT NULL,
  kind         text        NOT NULL CHECK (kind IN ('unmatched', 'payment', 'transfer', 'refund', 'account')),
  escrow_id    text,
  operation_id text,
  -- Of the operation: what an older attempt's object does says nothing about the one under way.
  attempt      int,
  party_id     text,
  -- Counts webhooks; a read that began before the last one is repeated.
  signals      bigint      NOT NULL DEFAULT 0,
  -- When the object is read again; null: it is final or not ours.
  sync_due_at  timestamptz,
  sync_tries   int         NOT NULL DEFAULT 0,
  lease_until  timestamptz,
  PRIMARY KEY (provider, object_id)
);
CREATE INDEX provider_object_due ON payments.provider_object (sync_due_at) WHERE sync_due_at IS NOT NULL;

-- The dedupe row of a webhook, written in the transaction of its effect.
CREATE TABLE payments.webhook (
  provider    text        NOT NULL,
  event_id    text        NOT NULL,
  type        text        NOT NULL,
  object_id   text        NOT NULL,
  received_at timestamptz NOT NULL,
  matched     boolean     NOT NULL,
  PRIMARY KEY (provider, event_id)
);
CREATE INDEX webhook_unmatched ON payments.webhook (provider, object_id) WHERE NOT matched;

-- A person or company money comes from or goes to. The profile is sealed with the party's key.
CREATE TABLE payments.party (
  party_id   text        PRIMARY KEY,
  key_id     text        NOT NULL,
  ciphertext bytea       NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE TABLE payments.payout_method (
  payout_method_id text        PRIMARY KEY,
  party_id         text        NOT NULL,
  provider         text        NOT NULL,
  -- The account or address at the provider; belongs to one party.
  account_id       text        NOT NULL,
  status           text        NOT NULL CHECK (status IN ('READY', 'PENDING', 'RESTRICTED', 'REJECTED')),
  requirements_due text[]      NOT NULL,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  UNIQUE (party_id, provider),
  UNIQUE (provider, account_id)
);
