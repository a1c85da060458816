-- How much of what was signalled of an object that is not ours an operator has looked at: more shows
-- it again.
ALTER TABLE payments.provider_object ADD COLUMN acknowledged bigint NOT NULL DEFAULT 0;
CREATE INDEX provider_object_unmatched ON payments.provider_object (provider, object_id)
  WHERE kind = 'unmatched';
