-- Keys of programs. Only the hash of a secret is kept: who reads this table can call nothing.
CREATE TABLE access.api_key (
  id           text        PRIMARY KEY,
  name         text        NOT NULL,
  -- What the key may be recognized by, the secret left out.
  prefix       text        NOT NULL,
  -- SHA-256 of the secret, which has 256 random bits: there is nothing to guess.
  hash         bytea       NOT NULL CHECK (length(hash) = 32),
  live         boolean     NOT NULL,
  subject      text        NOT NULL,
  roles        text[]      NOT NULL,
  scopes       text[]      NOT NULL,
  created_by   text        NOT NULL,
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at   timestamptz
);
