-- Who registered a party or its payout method first: a service may act for those it registered.
ALTER TABLE payments.party ADD COLUMN registered_by text NOT NULL DEFAULT '';
ALTER TABLE payments.payout_method ADD COLUMN registered_by text NOT NULL DEFAULT '';
CREATE INDEX payment_by_buyer ON payments.payment (buyer_id);
CREATE INDEX payment_by_seller ON payments.payment (seller_id);
