-- What the connector needs in the database, once, as its owner and with the right to make roles; the
-- server runs with wal_level=logical. Then: \password app_cdc
CREATE ROLE app_cdc LOGIN REPLICATION;
GRANT USAGE ON SCHEMA escrow, payments, projections TO app_cdc;
GRANT SELECT ON escrow.outbox, payments.outbox, projections.outbox TO app_cdc;
-- Insertions only: that a row was removed says nothing.
CREATE PUBLICATION app_outbox FOR TABLE escrow.outbox, payments.outbox, projections.outbox
  WITH (publish = 'insert');
