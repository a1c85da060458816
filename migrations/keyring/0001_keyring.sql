-- The keys that seal personal texts, one living key per subject, each wrapped by the data key.
-- Destroying one makes every text of it unreadable in all tables, topics and backups at once.
CREATE TABLE keyring.key (
  subject      text        NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
  key_id       text        NOT NULL,
  -- 12 bytes nonce, wrapped key, 16 bytes tag (AES-256-GCM); absent once destroyed.
  wrapped      bytea,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  destroyed_at timestamptz,
  PRIMARY KEY (subject, key_id),
  CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
-- Two processes that make the same subject's first key meet here: one wins, both use it.
CREATE UNIQUE INDEX key_alive ON keyring.key (subject) WHERE destroyed_at IS NULL;
