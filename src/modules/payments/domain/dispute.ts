/**
 * A dispute as payments keeps it: what was taken and came back, and where that money is now. Plain
 * values. Invariant: taken − reinstated = open + from the escrow + debt + losses − payable.
 */
import { TerminalError } from "#platform/errors";
import type { DisputeMovement, ProviderDispute } from "../provider.ts";

/**
 * DISPUTE: the buyer's bank asks money back. WARNING: fraud is feared. FOREIGN_REFUND: somebody else
 * gave the buyer money, which is found in the same way as what a bank takes. FOREIGN_REVERSAL:
 * somebody else took a transfer back.
 */
export type DisputeKind = "DISPUTE" | "WARNING" | "FOREIGN_REFUND" | "FOREIGN_REVERSAL";

export interface Dispute {
  /** The provider's id. */
  readonly disputeId: string;
  readonly kind: DisputeKind;
  /** As the provider says; it decides the outcome, whatever moved. */
  readonly status: ProviderDispute["status"];
  /** What the escrow was told and not yet told the end of. */
  readonly lock: "NONE" | "RISK" | "CHARGEBACK";
  /** Minor units. */
  readonly amount: bigint;
  readonly reason: string;
  readonly dueBy: Date | undefined;
  readonly taken: bigint;
  readonly reinstated: bigint;
  /** Waits for operations that were under way. */
  readonly open: bigint;
  readonly fees: bigint;
  readonly pending: bigint;
  readonly held: bigint;
  readonly debt: bigint;
  /** Negative: more came back than was taken. */
  readonly losses: bigint;
  readonly payable: bigint;
  /** Movements that are booked. */
  readonly movements: ReadonlySet<string>;
}

export interface BookedMovement extends DisputeMovement {
  readonly disputeId: string;
}

/** Minor units, by where they are now. */
export type Places = Pick<Dispute, "open" | "fees" | "pending" | "held" | "debt" | "losses">;

export function newDispute(
  identity: Pick<Dispute, "disputeId" | "kind" | "status" | "amount" | "reason" | "dueBy">,
): Dispute {
  return {
    ...identity,
    lock: "NONE",
    taken: 0n,
    reinstated: 0n,
    open: 0n,
    fees: 0n,
    pending: 0n,
    held: 0n,
    debt: 0n,
    losses: 0n,
    payable: 0n,
    movements: new Set(),
  };
}

/** Nothing may leave while it stands: the bank has not decided, or its money waits for an outcome. */
export function freezes({ lock, open }: Pick<Dispute, "lock" | "open">): boolean {
  return lock === "CHARGEBACK" || open > 0n;
}

/** Throws when the dispute's money is not where it should be: such a state is never stored. */
export function assertExplained(dispute: Dispute): Dispute {
  const { disputeId, taken, reinstated, open, fees, pending, held, debt, losses, payable } =
    dispute;
  const explained = open + fees + pending + held + debt + losses - payable;
  if (taken - reinstated !== explained) {
    throw new TerminalError(`dispute ${disputeId}: ${taken - reinstated} is not ${explained}`);
  }
  if ([open, fees, pending, held, debt, payable].some((part) => part < 0n)) {
    throw new TerminalError(`dispute ${disputeId}: a part of it is negative`);
  }
  return dispute;
}
