/**
 * The chart of accounts. An account is a kind, and an owner where several of the kind exist (a
 * provider, a dispute, a party); an escrow's accounts belong to the book they are posted in.
 */

export type AccountKind =
  | "clearing"
  | "dispute"
  | "seller_debt"
  | "platform_bank"
  | "pending"
  | "held"
  | "reserved"
  | "blocked"
  | "suspense"
  | "suspense_blocked"
  | "seller_payable"
  | "platform_fees"
  | "provider_fees"
  | "platform_losses";

export interface Account {
  readonly kind: AccountKind;
  /** "" where the book or the kind says whose it is. */
  readonly owner: string;
}

export const pending: Account = { kind: "pending", owner: "" };
export const held: Account = { kind: "held", owner: "" };
export const reserved: Account = { kind: "reserved", owner: "" };
export const blocked: Account = { kind: "blocked", owner: "" };
export const platformFees: Account = { kind: "platform_fees", owner: "" };
export const providerFees: Account = { kind: "provider_fees", owner: "" };
export const platformLosses: Account = { kind: "platform_losses", owner: "" };
export const platformBank: Account = { kind: "platform_bank", owner: "" };
/** Ours, kept back by a provider. */
export const reserveAt = (provider: string): Account => ({
  kind: "platform_bank",
  owner: provider,
});
export const clearing = (provider: string): Account => ({ kind: "clearing", owner: provider });
export const suspense = (provider: string): Account => ({ kind: "suspense", owner: provider });
export const suspenseBlockedOf = (provider: string): Account => ({
  kind: "suspense_blocked",
  owner: provider,
});
export const dispute = (disputeId: string): Account => ({ kind: "dispute", owner: disputeId });
export const sellerDebt = (partyId: string): Account => ({ kind: "seller_debt", owner: partyId });
export const sellerPayable = (partyId: string): Account => ({
  kind: "seller_payable",
  owner: partyId,
});

/** What we owe to others: never a debit balance. */
export const owedKinds: readonly AccountKind[] = [
  "pending",
  "held",
  "reserved",
  "blocked",
  "suspense",
  "suspense_blocked",
  "seller_payable",
];

const escrowKinds: readonly AccountKind[] = ["pending", "held", "reserved", "blocked"];

export function isEscrowAccount({ kind }: Pick<Account, "kind">): boolean {
  return escrowKinds.includes(kind);
}

/** The account's name as people read it: `escrow:esc_1:held`, `clearing:sandbox`, `platform:fees`. */
export function accountName({ kind, owner }: Account, escrowId: string): string {
  switch (kind) {
    case "pending":
    case "held":
    case "reserved":
    case "blocked":
      return `escrow:${escrowId}:${kind}`;
    case "seller_debt":
      return `seller:${owner}:debt`;
    case "seller_payable":
      return `seller:${owner}:payable`;
    case "suspense_blocked":
      return `suspense:${owner}:blocked`;
    case "platform_fees":
      return "platform:fees";
    case "provider_fees":
      return "platform:provider_fees";
    case "platform_losses":
      return "platform:losses";
    case "platform_bank":
      return owner === "" ? "platform:bank" : `reserve:${owner}`;
    case "clearing":
    case "dispute":
    case "suspense":
      return `${kind}:${owner}`;
    default:
      return kind satisfies never;
  }
}
