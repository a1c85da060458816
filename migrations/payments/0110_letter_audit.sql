-- What operators did with dead letters is part of the audit log.
CREATE FUNCTION payments.audit_letter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO payments.audit_queue (source, key) SELECT 'letter_action', id::text FROM inserted;
  RETURN NULL; END $$;
CREATE TRIGGER audit_letter AFTER INSERT ON payments.letter_action REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION payments.audit_letter();
