-- Where each party's money was to go, and who said so: one row for each change of a payout method's
-- account. A row of the method alone would forget what it named before.
CREATE TABLE payments.payout_change (
  id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payout_method_id text        NOT NULL,
  party_id         text        NOT NULL,
  provider         text        NOT NULL,
  service_id       text        NOT NULL,
  -- '': the first one.
  former_account   text        NOT NULL,
  account_id       text        NOT NULL,
  changed_by       text        NOT NULL,
  at               timestamptz NOT NULL
);
CREATE INDEX payout_change_of ON payments.payout_change (payout_method_id, id);
CREATE TRIGGER payout_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.payout_change
  FOR EACH STATEMENT EXECUTE FUNCTION payments.append_only();

CREATE FUNCTION payments.audit_payout_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'payout_change', id::text FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_payout_change AFTER INSERT ON payments.payout_change REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_payout_change();

-- By the row that changes, whoever changes it: only there is the former account certain.
CREATE FUNCTION payments.note_payout_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.payout_change (payout_method_id, party_id, provider, service_id,
    former_account, account_id, changed_by, at)
  VALUES (NEW.payout_method_id, NEW.party_id, NEW.provider, NEW.service_id,
    CASE WHEN TG_OP = 'INSERT' THEN '' ELSE OLD.account_id END, NEW.account_id, NEW.registered_by,
    NEW.updated_at);
  RETURN NULL; END $$;
CREATE TRIGGER note_payout_method AFTER INSERT ON payments.payout_method
  FOR EACH ROW EXECUTE FUNCTION payments.note_payout_change();
CREATE TRIGGER note_payout_change AFTER UPDATE OF account_id ON payments.payout_method
  FOR EACH ROW WHEN (OLD.account_id <> NEW.account_id) EXECUTE FUNCTION payments.note_payout_change();

INSERT INTO payments.payout_change (payout_method_id, party_id, provider, service_id,
  former_account, account_id, changed_by, at)
SELECT payout_method_id, party_id, provider, service_id, '', account_id, registered_by, updated_at
FROM payments.payout_method;
