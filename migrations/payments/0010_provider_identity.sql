-- Whose account at a provider these books are of, so that no other key, and no test key, meets them.
CREATE TABLE payments.provider_identity (
  provider text    PRIMARY KEY,
  account  text    NOT NULL,
  live     boolean NOT NULL
);
