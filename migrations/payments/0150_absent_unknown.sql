-- A process of the version before 0140 goes on writing operations during an upgrade, and says nothing here.
ALTER TABLE payments.operation ALTER COLUMN absent_before DROP NOT NULL;
