/** What a dry run answers: what a command would do, and nothing is written. */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Command as PaymentsCommand } from "#gen/payments/v1/commands_pb";

/** What the caller of a dry run has written, by the ciphertext (in base64) that stands for it there. */
export type Texts = ReadonlyMap<string, string>;

export interface Preview {
  readonly wouldSucceed: boolean;
  readonly rejection?: { readonly code: string; readonly detail: string };
  /** Each rule that was looked at, in order, and whether it holds. */
  readonly guards: readonly JsonValue[];
  readonly events: readonly JsonValue[];
  readonly postings: readonly JsonValue[];
  readonly providerCalls: readonly JsonValue[];
}

/** What payments would post and call for these commands; its own pure function. */
export type PreviewPayments = (
  commands: readonly PaymentsCommand[],
) => Pick<Preview, "postings" | "providerCalls">;
