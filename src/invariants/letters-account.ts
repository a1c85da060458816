/** I10 over all consumers: what they passed took effect, was a repeat, or is set aside with its story. */
import { checkLetters } from "#platform/check-letters";
import type { Check, Finding } from "#platform/checks";
import type { AnyHandler } from "#platform/messaging/handler";
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
