/** Discards that wait for a second operator: which letters and why, for a day, and done once. */
import { type OperatorRequest, OperatorRequestSchema } from "#gen/platform/v1/operations_pb";
import type { Clock } from "#platform/clock";
import { type Approvals, createApprovals } from "#platform/http/approvals";
import type { Databases } from "../stores.ts";

export interface LetterApprovalsOptions {
  readonly databases: Databases;
  readonly clock: Pick<Clock, "now" | "offsetMs">;
  /** Whose the escrows and the providers' objects among these keys are. */
  readonly partiesOf: (keys: readonly string[]) => Promise<readonly string[]>;
}

export function createLetterApprovals({
  databases,
  clock,
  partiesOf,
}: LetterApprovalsOptions): Approvals<OperatorRequest> {
  return createApprovals<OperatorRequest>({
    db: databases.platform,
    clock,
    schema: "access",
    message: OperatorRequestSchema,
    // A party's own key is his, too.
    partiesOf: async ({ body }) =>
      body.case === undefined ? [] : [...body.value.keys, ...(await partiesOf(body.value.keys))],
    summaryOf: ({ body }) => ({
      milestoneId: "",
      ...(body.case !== undefined && { letters: body.value.ids, reason: body.value.reason }),
    }),
    doneOnce: true,
  });
}
