-- An approval is done once the log has its command: until then it stays on the operators' list.
ALTER TABLE payments.approval ADD COLUMN done_at timestamptz,
  ADD CONSTRAINT approved_before_done CHECK (done_at IS NULL OR approved_at IS NOT NULL);
-- What was approved before this was kept counts as done.
UPDATE payments.approval SET done_at = approved_at WHERE approved_at IS NOT NULL;
CREATE INDEX approval_undone ON payments.approval (asked_at) WHERE done_at IS NULL;
DROP INDEX payments.approval_open;
