-- Since when each escrow's money is held, and until when its provider allows that.
CREATE TABLE payments.holding (
  escrow_no  bigint      PRIMARY KEY,
  held_since timestamptz NOT NULL,
  -- By the provider's rule for the seller's country; null until it was looked up.
  limit_at   timestamptz,
  alerted_at timestamptz,
  forced_at  timestamptz,
  -- When something is to be done about it; null: nothing any more.
  due_at     timestamptz
);
CREATE INDEX holding_due ON payments.holding (due_at) WHERE due_at IS NOT NULL;
INSERT INTO payments.holding (escrow_no, held_since, due_at)
SELECT d.escrow_no, min(d.at), min(d.at) FROM payments.deposit d
JOIN payments.payment p ON p.escrow_no = d.escrow_no
WHERE p.pending + p.held + p.reserved + p.blocked > 0 GROUP BY d.escrow_no;
