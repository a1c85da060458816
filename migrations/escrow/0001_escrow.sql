-- The escrow module's own tables. The database refuses what the decider must never say: funds
-- that do not add up, a version written twice, a command with two outcomes.

CREATE TABLE escrow.escrow (
  id            text        PRIMARY KEY,
  -- Children are clustered by insertion order; random ids would touch a page each.
  no            bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
  version       bigint      NOT NULL CHECK (version > 0),
  -- The last number of payments.events applied: contiguous, so a repeat or a gap is seen.
  seen_payments bigint      NOT NULL DEFAULT 0,
  buyer_id      text        NOT NULL,
  seller_id     text        NOT NULL,
  currency      text        NOT NULL,
  -- escrow.v1.Escrow: the fold of the history.
  snapshot      bytea       NOT NULL,
  funded        bigint      NOT NULL CHECK (funded >= 0),
  pending       bigint      NOT NULL CHECK (pending >= 0),
  held          bigint      NOT NULL CHECK (held >= 0),
  reserved      bigint      NOT NULL CHECK (reserved >= 0),
  released      bigint      NOT NULL CHECK (released >= 0),
  refunded      bigint      NOT NULL CHECK (refunded >= 0),
  fees          bigint      NOT NULL CHECK (fees >= 0),
  charged_back  bigint      NOT NULL CHECK (charged_back >= 0),
  blocked       bigint      NOT NULL CHECK (blocked >= 0),
  updated_at    timestamptz NOT NULL,
  CONSTRAINT conservation CHECK (
    funded = pending + held + reserved + released + refunded + fees + charged_back + blocked
  )
);

-- Every accepted event, byte for byte as it went to the topic.
CREATE TABLE escrow.history (
  escrow_no bigint NOT NULL,
  version   bigint NOT NULL,
  event_id  text   NOT NULL,
  payload   bytea  NOT NULL,
  PRIMARY KEY (escrow_no, version)
);

-- One outcome per command, for ever. Rejections of an unknown escrow stand under number 0.
CREATE TABLE escrow.command_outcome (
  escrow_no   bigint NOT NULL,
  command_id  text   NOT NULL,
  fingerprint text   NOT NULL,
  -- The version after it; of a rejection: the version it was judged at.
  version     bigint NOT NULL,
  -- The bytes of CommandRejected's event; absent when it was accepted.
  rejection   bytea,
  PRIMARY KEY (escrow_no, command_id)
);

-- Another request body came under a command's id: refused, and kept for the audit.
CREATE TABLE escrow.command_conflict (
  command_id  text        NOT NULL,
  fingerprint text        NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (command_id, fingerprint)
);

-- Deadlines. Rewritten with their escrow; `sent` once the command is in the outbox.
CREATE TABLE escrow.timer (
  escrow_no    bigint      NOT NULL,
  slot         int         NOT NULL,
  escrow_id    text        NOT NULL,
  -- escrow.v1.Timer
  timer        bytea       NOT NULL,
  due_at       timestamptz NOT NULL,
  paused       boolean     NOT NULL,
  sent         boolean     NOT NULL DEFAULT false,
  PRIMARY KEY (escrow_no, slot)
);
CREATE INDEX timer_due ON escrow.timer (due_at) WHERE NOT paused AND NOT sent;
