-- What was approved is done once: approving it again does nothing more.
ALTER TABLE access.approval ADD COLUMN done_at timestamptz,
  ADD CONSTRAINT approved_before_done CHECK (done_at IS NULL OR approved_at IS NOT NULL);
-- Until now an approval was done as it was given.
UPDATE access.approval SET done_at = approved_at WHERE approved_at IS NOT NULL;
