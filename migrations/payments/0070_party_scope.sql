-- Whose word it is: '' of the party itself or an admin, good for all its escrows; else of the service
-- that gave it, good for the escrows that service created and for no other. What was there before
-- and is not the party's own counts as a service's: where that is wrong money waits, and goes nowhere.
ALTER TABLE payments.party ADD COLUMN service_id text NOT NULL DEFAULT '';
UPDATE payments.party SET service_id = registered_by WHERE registered_by <> party_id;
ALTER TABLE payments.party DROP CONSTRAINT party_pkey, ADD PRIMARY KEY (party_id, service_id);

-- The account or address at the provider belongs to one party, which may have it in several methods.
CREATE TABLE payments.payout_account (
  provider   text NOT NULL,
  account_id text NOT NULL,
  party_id   text NOT NULL,
  PRIMARY KEY (provider, account_id)
);
INSERT INTO payments.payout_account (provider, account_id, party_id)
  SELECT provider, account_id, party_id FROM payments.payout_method;

ALTER TABLE payments.payout_method ADD COLUMN service_id text NOT NULL DEFAULT '';
UPDATE payments.payout_method SET service_id = registered_by WHERE registered_by <> party_id;
ALTER TABLE payments.payout_method
  DROP CONSTRAINT payout_method_party_id_provider_key,
  DROP CONSTRAINT payout_method_provider_account_id_key,
  ADD UNIQUE (party_id, provider, service_id),
  ADD FOREIGN KEY (provider, account_id) REFERENCES payments.payout_account (provider, account_id);
CREATE INDEX payout_method_account ON payments.payout_method (provider, account_id);

-- Where each escrow's seller is paid: his own method, whatever its status, before the one of the
-- service that created the escrow.
CREATE VIEW payments.receiver AS
  SELECT p.escrow_id, m.account_id, m.status FROM payments.payment p
  JOIN payments.payout_method m ON m.party_id = p.seller_id AND m.provider = p.provider
    AND (m.service_id = '' OR m.service_id = p.service_id)
  WHERE m.service_id = '' OR NOT EXISTS (
    SELECT FROM payments.payout_method own
    WHERE own.party_id = m.party_id AND own.provider = m.provider AND own.service_id = '');
