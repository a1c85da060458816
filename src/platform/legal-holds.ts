/**
 * Legal holds: a subject's keys are not destroyed while one stands. Setting one takes the same locks
 * as an erasure, so whichever comes first is seen by the other.
 */
import type { Database, Tx } from "./database/database.ts";

export interface LegalHolds {
  set(subject: string, reference: string, by: string): Promise<void>;
  /** False when there was none. */
  lift(subject: string): Promise<boolean>;
}

export function createLegalHolds({ db }: { readonly db: Database }): LegalHolds {
  return {
    set: (subject, reference, by) =>
      db.withTx(async (tx) => {
        await lockKeys(tx, subject);
        await tx.sql`
          INSERT INTO keyring.legal_hold (subject, reference, set_by)
          VALUES (${subject}, ${reference}, ${by})
          ON CONFLICT (subject) DO UPDATE SET reference = excluded.reference, set_by = excluded.set_by`;
      }),
    lift: async (subject) => {
      const lifted = await db.sql`
        DELETE FROM keyring.legal_hold WHERE subject = ${subject} RETURNING subject`;
      return lifted.length > 0;
    },
  };
}

/** The case that holds the subject's texts. Locks the keys until the transaction ends. */
export async function heldFor(tx: Tx, subject: string): Promise<string | undefined> {
  await lockKeys(tx, subject);
  const [hold] = await tx.sql<{ reference: string }>`
    SELECT reference FROM keyring.legal_hold WHERE subject = ${subject}`;
  return hold?.reference;
}

async function lockKeys(tx: Tx, subject: string): Promise<void> {
  await tx.sql`
    SELECT key_id FROM keyring.key WHERE subject = ${subject} AND destroyed_at IS NULL
    ORDER BY key_id FOR UPDATE`;
}
