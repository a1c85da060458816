/**
 * The port through which command routes learn what became of a command. The projections implement
 * it; where they are not mounted nobody waits, and the answer is 202.
 */
import type { EscrowView } from "#gen/escrow/v1/queries_pb";
import type { Principal } from "../module.ts";

export interface CommandOutcome {
  readonly commandId: string;
  readonly escrowId: string;
  /** Of the request that came first under this command id. */
  readonly fingerprint: string;
  readonly status: "succeeded" | "rejected";
  /** A rejection's code and detail; "" when it succeeded. */
  readonly code: string;
  readonly detail: string;
  readonly eventIds: readonly string[];
  readonly version: bigint;
}

export interface Outcomes {
  /** The outcome if it is known already. */
  find(commandId: string): Promise<CommandOutcome | undefined>;
  /** The outcome, or undefined when `deadlineMs` passed before it was known. */
  wait(commandId: string, deadlineMs: number): Promise<CommandOutcome | undefined>;
  /** The escrow as `principal` sees it; undefined when there is none for him. */
  view(escrowId: string, principal: Principal): Promise<EscrowView | undefined>;
}
