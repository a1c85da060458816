/** What the simulated custodian keeps and shows, in the words of docs/custodian-api.md. */

export interface Deposit {
  readonly id: string;
  readonly txHash: string;
  readonly from: string;
  readonly token: string;
  readonly decimals: number;
  /** Units of the token. */
  readonly amount: string;
  readonly fee: string;
  readonly block: number;
  confirmations: number;
  status: "seen" | "final" | "orphaned";
  wasFinal: boolean;
}

export interface DepositAddress {
  readonly id: string;
  readonly reference: string;
  readonly group: string;
  readonly address: string;
  readonly chainId: string;
  readonly token: string;
  readonly amount: string;
  /** How many make a deposit final. */
  readonly confirmations: number;
  status: "open" | "closed";
  readonly deposits: Deposit[];
}

export interface Withdrawal {
  readonly id: string;
  readonly reference: string;
  readonly kind: "payout" | "refund" | "return";
  readonly group: string;
  readonly source: string;
  readonly deposit: string;
  readonly to: string;
  readonly token: string;
  readonly decimals: number;
  readonly amount: string;
  status: "pending" | "final" | "failed";
  code: string;
  networkFee: string | null;
  readonly block: number;
}

/** An address payouts may go to, once it was approved. */
export interface PayoutAddress {
  readonly address: string;
  readonly party: string;
  status: "approved" | "pending" | "rejected";
}

export interface CustodianEvent {
  readonly id: string;
  readonly type: string;
  readonly objectId: string;
  readonly createdAt: string;
  readonly live: boolean;
}

/** One line of our balance. */
export interface Movement {
  readonly id: string;
  readonly objectId: string;
  readonly category: "deposit" | "deposit_reverted" | "payout" | "refund" | "return";
  /** Signed units of the token, before the fee. */
  readonly amount: string;
  readonly fee: string;
  readonly token: string;
  readonly decimals: number;
  readonly at: string;
}
