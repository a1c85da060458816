/**
 * What is taken back at the simulated provider: reversals of transfers, banks' disputes, refunds that
 * were made on its own pages. It reverses no more than a transfer and the seller's balance allow.
 */
import type { Queryable, Tx } from "#platform/database/database";
import type { ForeignObject, ProviderRequest } from "../../provider.ts";
import {
  type BookObject,
  changeObject,
  insertObject,
  lockObject,
  objectIdFor,
  received,
} from "./book.ts";

/** What of a payment's money has not gone out again. The caller has locked the payment. */
export async function available(tx: Tx, payment: BookObject): Promise<bigint> {
  const [spent] = await tx.sql<{ amount: bigint }>`
    SELECT coalesce(sum(amount), 0)::bigint AS amount FROM sandbox.object
    WHERE source_id = ${payment.object_id} AND kind IN ('transfer', 'refund') AND status <> 'failed'`;
  return received(payment) - (spent?.amount ?? 0n) - (await takenBack(tx, payment));
}

/** What of a payment a bank took and did not give back, less what came back from its transfers. */
async function takenBack(tx: Tx, { object_id }: BookObject): Promise<bigint> {
  const disputes = await tx.sql<BookObject>`
    SELECT * FROM sandbox.object WHERE source_id = ${object_id} AND kind = 'dispute'`;
  const [reversed] = await tx.sql<{ amount: bigint }>`
    SELECT coalesce(sum(r.amount), 0)::bigint AS amount
    FROM sandbox.object t JOIN sandbox.object r ON r.source_id = t.object_id
    WHERE t.source_id = ${object_id} AND t.kind = 'transfer' AND r.kind = 'reversal'
      AND r.status = 'succeeded'`;
  const taken = disputes.reduce((sum, dispute) => sum + takenBy(dispute), 0n);
  return taken - (reversed?.amount ?? 0n);
}

/** Taken less reinstated. */
export function takenBy({ details }: Pick<BookObject, "details">): bigint {
  return (details.movements ?? []).reduce(
    (sum, { direction, amount }) => sum + BigInt(amount) * (direction === "taken" ? 1n : -1n),
    0n,
  );
}

/** Undefined: the transfer or the seller's balance does not allow it. */
export async function reverse(
  tx: Tx,
  key: string,
  request: Pick<ProviderRequest, "target" | "amount" | "operationId"> & Partial<ProviderRequest>,
  now: Date,
): Promise<BookObject | undefined> {
  const transfer = await lockObject(tx, request.target);
  const amount = BigInt(request.amount);
  if (transfer?.kind !== "transfer" || transfer.status !== "succeeded") return undefined;
  const [reversed] = await tx.sql<{ amount: bigint }>`
    SELECT coalesce(sum(amount), 0)::bigint AS amount FROM sandbox.object
    WHERE source_id = ${transfer.object_id} AND kind = 'reversal' AND status = 'succeeded'`;
  if (transfer.amount - (reversed?.amount ?? 0n) < amount) return undefined;
  if ((await sellerBalance(tx, transfer.seller_id, transfer.currency)) < amount) return undefined;
  const reversal: BookObject = {
    ...transfer,
    object_id: objectIdFor("reversal", `${key} ${now.toISOString()}`),
    kind: "reversal",
    operation_id: request.operationId,
    // On the provider's own pages no call of ours makes it.
    attempt_key: request.operationId === "" ? "" : key,
    group_id: request.escrowId ?? transfer.group_id,
    source_id: transfer.object_id,
    status: "pending",
    amount,
    details: { paymentRef: transfer.source_id ?? "" },
    events: 0,
  };
  await insertObject(tx, reversal, now);
  await changeObject(tx, reversal, { status: "succeeded" }, "reversal.succeeded", now);
  return { ...reversal, status: "succeeded" };
}

/** What lies in a seller's account and is not on its way to his bank. */
export async function sellerBalance(
  db: Queryable,
  sellerId: string,
  currency: string,
): Promise<bigint> {
  const [row] = await db.sql<{ amount: bigint }>`
    SELECT coalesce(sum(CASE kind WHEN 'transfer' THEN amount ELSE -amount END), 0)::bigint AS amount
    FROM sandbox.object
    WHERE seller_id = ${sellerId} AND currency = ${currency} AND status <> 'failed'
      AND (kind IN ('reversal', 'payout') OR (kind = 'transfer' AND status = 'succeeded'))`;
  return row?.amount ?? 0n;
}

/** Undefined: a call of ours made it. */
export function foreignOf(object: BookObject): ForeignObject | undefined {
  const { object_id: objectId, source_id, amount, currency, details, status } = object;
  const paymentRef = source_id ?? "";
  switch (object.kind) {
    case "dispute":
      return {
        kind: "dispute",
        objectId,
        paymentRef,
        status: status as "open",
        amount,
        currency,
        reason: details.reason ?? "",
        movements: (details.movements ?? []).map((movement) => ({
          ...movement,
          amount: BigInt(movement.amount),
          fee: BigInt(movement.fee),
        })),
        evidenceDueBy: details.dueBy === undefined ? undefined : new Date(details.dueBy),
      };
    case "warning":
      return { kind: "warning", objectId, paymentRef, open: status === "open" };
    case "refund":
      if (object.operation_id !== "") return undefined;
      return {
        kind: "foreign",
        objectId,
        paymentRef,
        movement: "refund",
        status: status as "pending",
        amount,
        currency,
      };
    case "reversal":
      if (object.operation_id !== "") return undefined;
      return {
        kind: "foreign",
        objectId,
        paymentRef: details.paymentRef ?? "",
        movement: "reversal",
        status: "succeeded",
        amount,
        currency,
      };
    case "payout": {
      const { account = "", lastError: code = "" } = details;
      return {
        kind: "payout",
        objectId,
        account,
        status: status as "paid",
        amount,
        currency,
        code,
      };
    }
    default:
      return undefined;
  }
}
