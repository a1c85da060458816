/**
 * What became of commands, for those who wait for it. The escrow's routes ask; projections answer,
 * from rows written in the same transaction as the escrow's view, so the next query agrees.
 */
import type { EscrowView } from "#gen/escrow/v1/queries_pb";
import type { Principal } from "../module.ts";
import { HttpProblem } from "./problem.ts";

export interface CommandOutcome {
  readonly commandId: string;
  readonly escrowId: string;
  /** Of the body and route that came first under this id. */
  readonly fingerprint: string;
  readonly status: "succeeded" | "rejected";
  /** Why it was rejected; "" otherwise. */
  readonly code: string;
  readonly detail: string;
  readonly eventIds: readonly string[];
  /** The escrow's version after it; of a rejection the one it was judged at. */
  readonly version: bigint;
}

export interface Outcomes {
  /** Undefined while it is not decided, or not known here. */
  find(commandId: string): Promise<CommandOutcome | undefined>;
  /** Resolves as soon as it is decided; undefined when `deadlineMs` have passed. */
  wait(commandId: string, deadlineMs: number): Promise<CommandOutcome | undefined>;
  /** The escrow as `GET /v1/escrows/{id}` shows it to this caller; undefined when it may not be shown. */
  view(escrowId: string, viewer: Principal): Promise<EscrowView | undefined>;
}

/** Two bodies under one key: the second is told so, whatever became of the first. */
export function idempotencyConflict(commandId: string): HttpProblem {
  return new HttpProblem(
    "IDEMPOTENCY_CONFLICT",
    "This Idempotency-Key was used with another body: use a new key for a new request.",
    { extra: { commandId } },
  );
}
