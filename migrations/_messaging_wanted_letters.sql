-- Letters as lists show them, of which `wanted` says which: what it does not name does not restrict.
CREATE FUNCTION {{schema}}.wanted_letters(wanted jsonb) RETURNS TABLE (
  consumer text, topic text, "partition" int, "offset" bigint, key text, "messageId" text,
  "messageType" text, state text, attempts int, "nextAt" timestamptz, "causeClass" text, cause text,
  fingerprint text, "firstFailedAt" timestamptz, "failedAt" timestamptz, "requestedBy" text
) LANGUAGE sql STABLE AS $$
  SELECT l.consumer, l.topic, l.part, l.off, l.key, l.message_id, l.message_type, l.state, l.attempts,
    l.next_at, l.cause_class, l.cause, l.fingerprint, l.first_failed_at, l.failed_at, l.requested_by
  FROM {{schema}}.letter l
  -- A type is known with or without its package.
  WHERE (wanted->>'type' IS NULL OR l.message_type = wanted->>'type'
      OR right(l.message_type, length(wanted->>'type') + 1) = '.' || (wanted->>'type'))
    AND (wanted->>'since' IS NULL OR l.failed_at >= (wanted->>'since')::timestamptz)
    AND (wanted->>'topic' IS NULL OR l.topic = wanted->>'topic')
    AND (wanted->>'key' IS NULL OR l.key = wanted->>'key')
    AND (wanted->>'consumer' IS NULL OR l.consumer = wanted->>'consumer')
    AND (wanted->>'cause' IS NULL OR l.cause_class = wanted->>'cause')
    AND (wanted->>'state' IS NULL OR l.state = wanted->>'state')
    AND (wanted->>'fingerprint' IS NULL OR l.fingerprint = wanted->>'fingerprint') $$;
