-- What a call is aimed at, besides the payment: the account money goes to, the transfer it comes
-- back from. And the kinds of things at providers that no call of ours makes.
ALTER TABLE payments.operation
  ADD COLUMN target text NOT NULL DEFAULT '',
  DROP CONSTRAINT operation_kind_check,
  ADD CONSTRAINT operation_kind_check
    CHECK (kind IN ('CREATE_PAYMENT', 'CANCEL_PAYMENT', 'TRANSFER', 'REFUND', 'REVERSAL'));
ALTER TABLE payments.provider_object
  DROP CONSTRAINT provider_object_kind_check,
  ADD CONSTRAINT provider_object_kind_check
    CHECK (kind IN ('unmatched', 'payment', 'transfer', 'refund', 'reversal', 'account',
      'dispute', 'warning', 'foreign', 'payout'));
