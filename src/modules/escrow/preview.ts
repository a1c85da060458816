/** What a dry run answers: what a command would do, and nothing is written. */
import type { JsonValue } from "@bufbuild/protobuf";

export interface Preview {
  readonly wouldSucceed: boolean;
  readonly rejection?: { readonly code: string; readonly detail: string };
  /** Each rule that was looked at, in order, and whether it holds. */
  readonly guards: readonly JsonValue[];
  readonly events: readonly JsonValue[];
  readonly postings: readonly JsonValue[];
  readonly providerCalls: readonly JsonValue[];
}
