-- What could be read and not be recorded is kept in mind until it can: how often in a row, and why.
ALTER TABLE payments.provider_object
  ADD COLUMN failures int NOT NULL DEFAULT 0,
  ADD COLUMN problem text NOT NULL DEFAULT '';
CREATE INDEX provider_object_problem ON payments.provider_object (provider, object_id)
  WHERE problem <> '';
