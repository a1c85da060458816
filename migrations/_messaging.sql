-- What every module schema needs that consumes or emits messages; {{schema}} is the module's name.

-- Where a consumer stands in a partition. Locking its row first is what makes all transactions of
-- one partition serial, whoever believes to own it.
CREATE TABLE {{schema}}.consumer_cursor (
  consumer      text    NOT NULL,
  topic         text    NOT NULL,
  part          int     NOT NULL,
  next          bigint  NOT NULL,
  cluster_id    text    NOT NULL,
  assigned_next bigint  NOT NULL DEFAULT -1,
  crashes       int     NOT NULL DEFAULT 0,
  suspect       bigint,
  PRIMARY KEY (consumer, topic, part)
);

-- A key with a parked message: everything of it is parked behind, in order.
CREATE TABLE {{schema}}.blocked_key (
  consumer text        NOT NULL,
  key      text        NOT NULL,
  since    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, key)
);

-- The dead letters. The row is the truth, <topic>.dlq only a copy.
CREATE TABLE {{schema}}.parked (
  consumer       text        NOT NULL,
  topic          text        NOT NULL,
  part           int         NOT NULL,
  off            bigint      NOT NULL,
  key            text        NOT NULL,
  message_id     text        NOT NULL,
  message_type   text        NOT NULL,
  value          bytea       NOT NULL,
  headers        jsonb       NOT NULL,
  appended_at    timestamptz NOT NULL,
  state          text        NOT NULL CHECK (state IN ('waiting', 'dead')),
  attempts       int         NOT NULL,
  next_at        timestamptz,
  cause          text        NOT NULL,
  first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  failed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  requested_by   text,
  PRIMARY KEY (consumer, topic, part, off)
);
CREATE INDEX parked_by_key ON {{schema}}.parked (consumer, key, topic, part, off);
CREATE INDEX parked_due ON {{schema}}.parked (consumer, next_at) WHERE state = 'waiting';

-- Messages on their way to the log. CACHE 1: positions of two sessions must not be inverted. The
-- layout also serves Debezium's outbox event router (id, aggregatetype, aggregateid, type, payload).
CREATE SEQUENCE {{schema}}.outbox_pos CACHE 1;
CREATE TABLE {{schema}}.outbox (
  pos           bigint      PRIMARY KEY DEFAULT nextval('{{schema}}.outbox_pos'),
  shard         smallint    NOT NULL,
  id            text        NOT NULL,
  aggregatetype text        NOT NULL,
  aggregateid   text        NOT NULL,
  type          text        NOT NULL,
  payload       bytea       NOT NULL,
  headers       jsonb       NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_by_shard ON {{schema}}.outbox (shard, pos);

-- A row the broker refuses for its size or format; it holds back only its own key.
CREATE TABLE {{schema}}.outbox_held (
  pos           bigint      PRIMARY KEY,
  shard         smallint    NOT NULL,
  id            text        NOT NULL,
  aggregatetype text        NOT NULL,
  aggregateid   text        NOT NULL,
  type          text        NOT NULL,
  payload       bytea       NOT NULL,
  headers       jsonb       NOT NULL,
  at            timestamptz NOT NULL,
  error         text        NOT NULL,
  held_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_held_by_key ON {{schema}}.outbox_held (shard, aggregatetype, aggregateid);

-- One relay at a time publishes a shard.
CREATE TABLE {{schema}}.outbox_lease (
  shard smallint    PRIMARY KEY,
  owner text        NOT NULL,
  token bigint      NOT NULL,
  until timestamptz NOT NULL
);

-- The sandbox's test clock; one row, offset 0 everywhere else.
CREATE TABLE {{schema}}.clock (
  one       boolean PRIMARY KEY DEFAULT true CHECK (one),
  offset_ms bigint  NOT NULL DEFAULT 0,
  epoch     int     NOT NULL DEFAULT 0
);
INSERT INTO {{schema}}.clock DEFAULT VALUES;
CREATE FUNCTION {{schema}}.app_now() RETURNS timestamptz LANGUAGE sql STABLE AS
  'SELECT clock_timestamp() + (offset_ms || '' milliseconds'')::interval FROM {{schema}}.clock';
