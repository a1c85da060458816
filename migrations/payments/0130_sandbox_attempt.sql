-- The key of the attempt that made an object; '' for those from before it was kept.
ALTER TABLE sandbox.object ADD COLUMN attempt_key text NOT NULL DEFAULT '';
