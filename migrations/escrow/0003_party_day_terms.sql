-- What a party began on one UTC day, on either side of its deals; counted only where a limit is set.
-- The row of currency '' counts deals and is locked before the others: it serializes a party's day.
CREATE TABLE escrow.party_day (
  party_id text   NOT NULL,
  day      date   NOT NULL,
  currency text   NOT NULL,
  escrows  bigint NOT NULL DEFAULT 0 CHECK (escrows >= 0),
  amount   bigint NOT NULL DEFAULT 0 CHECK (amount >= 0),
  PRIMARY KEY (party_id, day, currency)
);
