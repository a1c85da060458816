/**
 * Stripe's objects as the simulator keeps and shows them: the fields a client of ours reads, under
 * Stripe's own names. Amounts are Stripe's units, in numbers as its JSON has them.
 */
export type Metadata = Record<string, string>;

interface Stored {
  readonly id: string;
  readonly created: number;
  readonly livemode: boolean;
}

export type IntentStatus =
  | "requires_payment_method"
  | "requires_action"
  | "processing"
  | "canceled"
  | "succeeded";

export interface Intent extends Stored {
  readonly object: "payment_intent";
  readonly amount: number;
  amount_received: number;
  readonly currency: string;
  status: IntentStatus;
  readonly client_secret: string;
  latest_charge: string | null;
  last_payment_error: { readonly type: string; readonly code: string } | null;
  canceled_at: number | null;
  readonly transfer_group: string | null;
  readonly metadata: Metadata;
  readonly automatic_payment_methods: { readonly enabled: boolean } | null;
  readonly capture_method: "automatic_async";
  readonly statement_descriptor_suffix: string | null;
  readonly customer: string | null;
}

export interface Charge extends Stored {
  readonly object: "charge";
  readonly amount: number;
  amount_refunded: number;
  readonly currency: string;
  status: "pending" | "succeeded" | "failed";
  paid: boolean;
  refunded: boolean;
  disputed: boolean;
  /** Null at first: it comes with charge.updated. */
  balance_transaction: string | null;
  readonly payment_intent: string;
  readonly payment_method_details: { readonly type: string };
  readonly transfer_group: string | null;
  failure_code: string | null;
  readonly metadata: Metadata;
}

export interface BalanceTransaction extends Omit<Stored, "livemode"> {
  readonly object: "balance_transaction";
  readonly amount: number;
  readonly fee: number;
  readonly net: number;
  readonly currency: string;
  readonly available_on: number;
  readonly exchange_rate: number | null;
  readonly reporting_category: string;
  readonly type: string;
  readonly source: string | null;
  readonly status: "available" | "pending";
  readonly balance_type: "payments";
  readonly description: null;
  readonly fee_details: readonly [];
}

export interface Transfer extends Stored {
  readonly object: "transfer";
  readonly amount: number;
  amount_reversed: number;
  readonly currency: string;
  readonly destination: string;
  readonly destination_payment: string;
  readonly source_transaction: string | null;
  readonly transfer_group: string | null;
  reversed: boolean;
  readonly balance_transaction: string;
  readonly metadata: Metadata;
}

export interface Reversal extends Omit<Stored, "livemode"> {
  readonly object: "transfer_reversal";
  readonly amount: number;
  readonly currency: string;
  readonly transfer: string;
  readonly balance_transaction: string;
  readonly metadata: Metadata;
  readonly source_refund: null;
  readonly destination_payment_refund: null;
}

export interface Refund extends Omit<Stored, "livemode"> {
  readonly object: "refund";
  readonly amount: number;
  readonly currency: string;
  readonly charge: string;
  readonly payment_intent: string;
  status: "pending" | "requires_action" | "succeeded" | "failed" | "canceled";
  pending_reason?: string;
  failure_reason?: string;
  balance_transaction: string | null;
  failure_balance_transaction?: string;
  readonly reason: string | null;
  readonly metadata: Metadata;
}

export interface Dispute extends Stored {
  readonly object: "dispute";
  readonly amount: number;
  readonly currency: string;
  readonly charge: string;
  readonly payment_intent: string;
  readonly reason: string;
  status: string;
  is_charge_refundable: boolean;
  readonly balance_transactions: BalanceTransaction[];
  readonly evidence_details: { readonly due_by: number | null; readonly has_evidence: boolean };
  readonly metadata: Metadata;
}

export interface Warning extends Stored {
  readonly object: "radar.early_fraud_warning";
  actionable: boolean;
  readonly charge: string;
  readonly payment_intent: string;
  readonly fraud_type: string;
}

export interface Account extends Omit<Stored, "livemode"> {
  readonly object: "account";
  readonly type: string;
  readonly metadata: Metadata;
  details_submitted: boolean;
  payouts_enabled: boolean;
  readonly capabilities: Record<string, string>;
  readonly requirements: {
    currently_due: string[];
    past_due: string[];
    eventually_due: string[];
    disabled_reason: string | null;
  };
}

export interface Payout extends Stored {
  readonly object: "payout";
  readonly amount: number;
  readonly currency: string;
  status: "pending" | "in_transit" | "paid" | "failed" | "canceled";
  failure_code: string | null;
  readonly arrival_date: number;
  /** The connected account it leaves; not shown. */
  readonly account: string;
}

export interface StripeEvent extends Stored {
  readonly object: "event";
  readonly type: string;
  readonly api_version: string;
  readonly account?: string;
  readonly data: { readonly object: unknown };
  readonly request: null;
  readonly pending_webhooks: number;
}

export type StripeObject =
  | Intent
  | Charge
  | BalanceTransaction
  | Transfer
  | Reversal
  | Refund
  | Dispute
  | Warning
  | Account
  | Payout;
