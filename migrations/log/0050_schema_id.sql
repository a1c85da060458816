-- What a schema registry calls our schemas. Kept so that a process can start while it is down.
CREATE TABLE {{schema}}.schema_id (
  registry    text NOT NULL,
  subject     text NOT NULL,
  -- Of the schema's text and of all it imports: several versions of the program may run at once.
  fingerprint text NOT NULL,
  id          int  NOT NULL,
  PRIMARY KEY (registry, subject, fingerprint)
);
