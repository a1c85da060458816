/**
 * Which letters may not be discarded: those whose reader says that their key waits for them for ever.
 * What no reader can take says nothing of itself, and may go.
 */
import { HttpProblem } from "#platform/http/problem";
import { type LetterPlace, recordsAt } from "#platform/messaging/dead-letters/letters";
import type { AnyHandler } from "#platform/messaging/handler";
import { receive } from "#platform/messaging/intake";
import type { Databases, MessagingSchema } from "../stores.ts";
import { letterId, schemaOf } from "./letter-id.ts";

export type Handlers = Readonly<Record<MessagingSchema, readonly AnyHandler[]>>;

export interface IndispensableOptions {
  readonly databases: Databases;
  readonly handlers: Handlers;
}

const named = 3;

/** Throws HttpProblem when one of them is indispensable; then none may be discarded. */
export async function refuseIndispensable(
  options: IndispensableOptions,
  letters: readonly LetterPlace[],
): Promise<void> {
  const found = await indispensableOf(options, letters);
  if (found.length === 0) return;
  const ids = found.slice(0, named).map(letterId).join(", ");
  const more = found.length > named ? ` and ${found.length - named} more` : "";
  throw new HttpProblem(
    "LETTER_INDISPENSABLE",
    `Nothing was discarded: what these messages are about would wait for them for ever. Mend the cause and replay them: ${ids}${more}`,
  );
}

export async function indispensableOf(
  { databases, handlers }: IndispensableOptions,
  letters: readonly LetterPlace[],
): Promise<LetterPlace[]> {
  const found: LetterPlace[] = [];
  for (const [consumer, places] of Map.groupBy(letters, (letter) => letter.consumer)) {
    const schema = schemaOf(consumer);
    const handler = schema && handlers[schema].find(({ name }) => name === consumer);
    if (schema === undefined || handler?.indispensable === undefined) continue;
    for (const record of await recordsAt(databases[schema], schema, consumer, places)) {
      const received = receive(handler.topic, record);
      // Of what a newer program wrote only that program can tell.
      const kept = received.kind === "unknown";
      if (kept || (received.kind === "message" && handler.indispensable(received.incoming.message)))
        found.push({ consumer, ...record });
    }
  }
  return found;
}
