-- An earlier attempt was looked for and not found: it may come to light, so all later ones ask for the same.
ALTER TABLE payments.operation ADD COLUMN absent_before boolean NOT NULL DEFAULT false;
UPDATE payments.operation SET absent_before = true WHERE attempt > 1;
