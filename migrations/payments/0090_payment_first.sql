-- What was taken of a payment whose deposit is not booked waits until that payment was read: its id
-- while it waits, '' when it was read. NULL: it waits for none.
ALTER TABLE payments.provider_object ADD COLUMN waits_for TEXT;

CREATE INDEX provider_object_waits ON payments.provider_object (provider, waits_for)
  WHERE waits_for <> '';
