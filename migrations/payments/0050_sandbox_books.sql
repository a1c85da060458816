-- What moved on our balance at the simulated provider, in its own words, and the events it told of:
-- neither is ever changed, and both can be listed long after.
CREATE TABLE sandbox.movement (
  movement_no bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  object_id   text        NOT NULL,
  category    text        NOT NULL,
  -- Signed: what came in, before the fee.
  amount      bigint      NOT NULL,
  fee         bigint      NOT NULL,
  currency    text        NOT NULL,
  exchanged   boolean     NOT NULL DEFAULT false,
  at          timestamptz NOT NULL
);
CREATE INDEX movement_by_time ON sandbox.movement (at, movement_no);

CREATE TABLE sandbox.event (
  event_no   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id   text        NOT NULL UNIQUE,
  type       text        NOT NULL,
  object_id  text        NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX event_by_time ON sandbox.event (created_at, event_no);

INSERT INTO sandbox.movement (object_id, category, amount, fee, currency, at)
SELECT o.object_id, 'charge', (d->>'amount')::bigint, 0, d->>'currency', o.created_at
FROM sandbox.object o, jsonb_array_elements(o.details->'deposits') d WHERE o.kind = 'payment'
UNION ALL
SELECT object_id, 'charge', 0, (details->>'fee')::bigint, currency, created_at
FROM sandbox.object WHERE kind = 'payment' AND details ? 'fee'
UNION ALL
SELECT object_id, kind, -amount, 0, currency, created_at
FROM sandbox.object WHERE kind IN ('transfer', 'refund') AND status = 'succeeded';
