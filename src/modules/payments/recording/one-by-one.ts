/**
 * Records items in one transaction, and one by one when the database refuses for good: what cannot
 * be recorded is set aside for a person, and its neighbours go on.
 */
import { classifyDatabaseError } from "#platform/database/database-error";

export interface Recording<T> {
  readonly record: (items: readonly T[]) => Promise<void>;
  readonly setAside: (item: T, error: unknown) => Promise<void>;
}

export async function recordOneByOne<T>(
  items: readonly T[],
  { record, setAside }: Recording<T>,
): Promise<void> {
  const refused = await refusalOf(() => record(items));
  if (refused === undefined) return;
  for (const item of items) {
    const refusal = await refusalOf(() => record([item]));
    if (refusal !== undefined) await setAside(item, refusal.error);
  }
}

/** Why trying again cannot help; every other failure is the caller's to repeat. */
async function refusalOf(
  attempt: () => Promise<void>,
): Promise<{ readonly error: unknown } | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    const found = classifyDatabaseError(error);
    // A key that is met again when the item is alone stays met.
    if (found === "permanent" || found === "conflict") return { error };
    throw error;
  }
}
