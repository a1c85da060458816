/**
 * Sends items in order and, where the log refuses some, finds out which: a refused part is sent
 * again as two halves, the left one first. A part that fails otherwise ends it, so that nothing
 * goes out before what stands in front of it.
 */
import { type AppendedRecord, RecordRefusedError } from "../event-log.ts";

export interface SendInHalves<T> {
  readonly items: readonly T[];
  /** Asked just before each send: an item may have become unwanted by a refusal in front of it. */
  readonly wanted: (item: T) => boolean;
  readonly send: (items: readonly T[]) => Promise<readonly AppendedRecord[]>;
  readonly sent: (item: T, appended: AppendedRecord | undefined) => void;
  readonly refused: (item: T, error: RecordRefusedError) => Promise<void> | void;
}

/** Rejects as `send` does, save for refusals. */
export async function sendInHalves<T>({
  items,
  wanted,
  send,
  sent,
  refused,
}: SendInHalves<T>): Promise<void> {
  const parts: (readonly T[])[] = [items];
  for (let next = parts.pop(); next !== undefined; next = parts.pop()) {
    const part = next.filter(wanted);
    const [first] = part;
    if (first === undefined) continue;
    try {
      const appended = await send(part);
      part.forEach((item, index) => {
        sent(item, appended[index]);
      });
    } catch (error) {
      if (!(error instanceof RecordRefusedError)) throw error;
      if (part.length === 1) await refused(first, error);
      else {
        const middle = part.length >> 1;
        parts.push(part.slice(middle), part.slice(0, middle));
      }
    }
  }
}
