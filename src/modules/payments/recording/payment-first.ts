/**
 * What was taken of a payment is booked after the payment: a bank's news may overtake the buyer's
 * deposit. Until the payment was read once more, what its booked funds cannot explain waits, so that
 * money which is gone is never held. Then it is booked whatever it is: a bank may take more than was paid.
 */
import type { Tx } from "#platform/database/database";
import { unexplained } from "../domain/unexplained.ts";
import type { Root } from "../journal.ts";
import type { ForeignObject } from "../provider.ts";
import type { ProviderObjectRow } from "../schema.ts";
import { type ObjectKey, signal } from "./objects.ts";
import type { SurroundingsOfRoots } from "./surroundings.ts";

export interface Overtaking {
  readonly tx: Tx;
  /** The object's row as it is now; its payment's is locked, too. */
  readonly there: ProviderObjectRow;
  readonly object: ForeignObject;
  readonly root: Root;
  readonly surroundings: SurroundingsOfRoots;
  /** Of the root, as they are booked. */
  readonly deposits: ReadonlyMap<string, unknown>;
  readonly now: Date;
}

/** True: not yet. The payment is read now, and the object after it. */
export async function waitsForPayment(overtaking: Overtaking): Promise<boolean> {
  const { tx, there, object, now } = overtaking;
  if (object.kind === "payout" || there.waits_for === "") return false;
  if (!overtakes(overtaking)) return false;
  if (there.waits_for !== null) return true;
  const { provider, object_id } = there;
  await tx.sql`
    UPDATE payments.provider_object SET waits_for = ${object.paymentRef}
    WHERE provider = ${provider} AND object_id = ${object_id}`;
  await signal(tx, [{ provider, objectId: object.paymentRef }], now);
  return true;
}

function overtakes({ object, root, surroundings, deposits }: Overtaking): boolean {
  if (object.kind === "deposit_undone") return !deposits.has(object.depositId);
  const disputes = surroundings.of(root)?.disputes ?? new Map();
  // What is gone whole is marked, not only counted.
  const gone = object.kind === "dispute" && !disputes.has(object.objectId) && object.depositId;
  if (gone && !deposits.has(gone)) return true;
  return unexplained(root.payment, disputes, object) > 0n;
}

/** What is taken next of the payment may overtake it anew. */
export async function waitedEnough(tx: Tx, { provider, object_id, waits_for }: ProviderObjectRow) {
  if (waits_for === null) return;
  await tx.sql`
    UPDATE payments.provider_object SET waits_for = NULL
    WHERE provider = ${provider} AND object_id = ${object_id}`;
}

/** Objects that wait for these payments; they are locked together with them. */
export async function waitingFor(
  tx: Tx,
  rows: readonly ProviderObjectRow[],
): Promise<readonly ObjectKey[]> {
  const payments = rows.filter(({ kind }) => kind === "payment");
  if (payments.length === 0) return [];
  return tx.sql<ObjectKey>`
    SELECT o.provider, o.object_id AS "objectId" FROM payments.provider_object o
    JOIN unnest(${payments.map(({ provider }) => provider)}::text[],
      ${payments.map(({ object_id }) => object_id)}::text[]) AS k(provider, object_id)
      ON o.provider = k.provider AND o.waits_for = k.object_id
    WHERE o.waits_for <> ''`;
}

/** The payments are booked as they are now: what waited for them is read again. */
export async function paymentsWereRead(
  tx: Tx,
  read: readonly ProviderObjectRow[],
  waiting: readonly ObjectKey[],
  now: Date,
): Promise<void> {
  if (waiting.length === 0 || read.length === 0) return;
  const freed = await tx.sql<ObjectKey>`
    UPDATE payments.provider_object o SET waits_for = ''
    FROM unnest(${waiting.map(({ provider }) => provider)}::text[],
      ${waiting.map(({ objectId }) => objectId)}::text[]) AS k(provider, object_id)
    WHERE o.provider = k.provider AND o.object_id = k.object_id
      AND (o.provider || ' ' || o.waits_for) = ANY(${read.map((row) => `${row.provider} ${row.object_id}`)}::text[])
    RETURNING o.provider, o.object_id AS "objectId"`;
  await signal(tx, freed, now);
}
