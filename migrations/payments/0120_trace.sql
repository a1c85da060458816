-- The context of the trace that led to a call, and of the one that last said its object changed: a
-- call made hours later, and what comes of it, is found under the request that asked for it.
ALTER TABLE payments.operation ADD COLUMN traceparent text NOT NULL DEFAULT '';
ALTER TABLE payments.provider_object ADD COLUMN traceparent text NOT NULL DEFAULT '';
