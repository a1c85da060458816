-- How often in a row a provider refused to pay a seller whose account it called ready: the account
-- is asked later and later.
ALTER TABLE payments.payout_method ADD COLUMN refusals int NOT NULL DEFAULT 0;
