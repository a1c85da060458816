-- The event log in tables: what stands in for Kafka where none is configured.

-- Names this log; made at first use, so that a copied database template does not name all its copies.
CREATE TABLE {{schema}}.identity (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id  text    NOT NULL
);

CREATE TABLE {{schema}}.topic (
  name           text PRIMARY KEY,
  partitions     int  NOT NULL CHECK (partitions > 0),
  retention_days int  CHECK (retention_days > 0),
  timestamps     text NOT NULL CHECK (timestamps IN ('create', 'append'))
);

-- The counters. An appender locks its rows here first, so offsets have no gaps and become visible in
-- their order; a sequence would let a reader pass an offset that commits later.
CREATE TABLE {{schema}}.partition (
  topic text   NOT NULL REFERENCES {{schema}}.topic (name),
  p     int    NOT NULL,
  low   bigint NOT NULL DEFAULT 0,
  next  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (topic, p),
  CHECK (low <= next)
) WITH (fillfactor = 50);

CREATE TABLE {{schema}}.message (
  topic   text        NOT NULL,
  p       int         NOT NULL,
  off     bigint      NOT NULL,
  key     text        NOT NULL,
  value   bytea       NOT NULL,
  headers jsonb       NOT NULL,
  at      timestamptz NOT NULL,
  PRIMARY KEY (topic, p, off)
);

-- A group's position and the member that reads the partition; the epoch tells an owner from its
-- own past. For display and for sharing the work: correctness rests on the consumer's own cursor.
CREATE TABLE {{schema}}.cursor (
  grp   text        NOT NULL,
  topic text        NOT NULL,
  p     int         NOT NULL,
  next  bigint      NOT NULL DEFAULT 0,
  owner text,
  epoch bigint      NOT NULL DEFAULT 0,
  until timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (grp, topic, p)
) WITH (fillfactor = 50);

CREATE TABLE {{schema}}.member (
  grp    text        NOT NULL,
  member text        NOT NULL,
  until  timestamptz NOT NULL,
  PRIMARY KEY (grp, member)
);
