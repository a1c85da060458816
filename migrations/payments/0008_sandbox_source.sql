-- What was drawn on a payment is summed at every transfer and refund.
CREATE INDEX object_by_source ON sandbox.object (source_id) WHERE source_id IS NOT NULL;
