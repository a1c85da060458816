/** I10 over all consumers: what they passed took effect, was a repeat, or is set aside with its story. */

import type { AnyHandler } from "#platform/messaging/handler";
import { checkLetters } from "#platform/verify/check-letters";
import type { Check, Finding } from "#platform/verify/checks";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";

export interface LettersDeps {
  readonly databases: Databases;
  readonly handlers: Readonly<Record<MessagingSchema, readonly AnyHandler[]>>;
}

export function lettersAccount({ databases, handlers }: LettersDeps): Check {
  return async ({ log }) => {
    const findings: Finding[] = [];
    for (const schema of messagingSchemas) {
      for (const handler of handlers[schema]) {
        findings.push(await checkLetters(databases[schema], log, { schema, handler }));
      }
    }
    return findings;
  };
}
