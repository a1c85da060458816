-- Another request body came under a command's id: refused, and kept for the audit.
CREATE TABLE payments.command_conflict (
  command_id  text        NOT NULL,
  fingerprint text        NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (command_id, fingerprint)
);
