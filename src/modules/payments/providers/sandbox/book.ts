/**
 * The simulated provider's own book: its objects, its memory of keys, its webhooks on their way.
 * Like a real provider it refuses to pay out more than it took in, whatever it is asked.
 */
import { hashFields } from "#kernel/ids";
import type { Tx } from "#platform/database/database";
import type {
  ProviderAccount,
  ProviderPayment,
  ProviderRefund,
  ProviderReversal,
  ProviderTransfer,
} from "../../provider.ts";
import { has } from "./magic.ts";
import { movementsOf, recordMovements } from "./movements.ts";

export type ObjectKind =
  | "payment"
  | "transfer"
  | "refund"
  | "account"
  | "reversal"
  | "dispute"
  | "warning"
  | "payout";

export interface Details {
  readonly deposits?: readonly {
    readonly depositId: string;
    readonly amount: string;
    readonly currency: string;
  }[];
  readonly fee?: string;
  readonly lastError?: string;
  /** Of a dispute. */
  readonly reason?: string;
  readonly dueBy?: string;
  readonly movements?: readonly {
    readonly movementId: string;
    readonly direction: "taken" | "reinstated";
    readonly amount: string;
    readonly fee: string;
  }[];
  /** Of the transfer a reversal takes back. */
  readonly paymentRef?: string;
  /** Whose account a payout is from. */
  readonly account?: string;
}

export interface BookObject {
  readonly object_id: string;
  readonly kind: ObjectKind;
  readonly operation_id: string;
  readonly attempt_key: string;
  readonly group_id: string;
  readonly source_id: string | null;
  readonly buyer_id: string;
  readonly seller_id: string;
  readonly status: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly details: Details;
  readonly next_at: Date | null;
  readonly next_status: string | null;
  readonly events: number;
}

/** What no call made has no attempt. */
export type NewObject = Omit<BookObject, "events" | "attempt_key"> &
  Partial<Pick<BookObject, "attempt_key">>;

export function objectIdFor(kind: ObjectKind, key: string): string {
  const prefix = {
    payment: "sbx_pay",
    transfer: "sbx_tr",
    refund: "sbx_re",
    account: "sbx_acct",
    reversal: "sbx_trr",
    dispute: "sbx_dp",
    warning: "sbx_warn",
    payout: "sbx_po",
  };
  return `${prefix[kind]}_${hashFields(kind, key).slice(0, 24)}`;
}

export async function insertObject(tx: Tx, object: NewObject, now: Date): Promise<void> {
  await tx.sql`
    INSERT INTO sandbox.object (object_id, kind, operation_id, attempt_key, group_id, source_id, buyer_id,
      seller_id, status, amount, currency, details, next_at, next_status, events, created_at)
    VALUES (${object.object_id}, ${object.kind}, ${object.operation_id},
      ${object.attempt_key ?? ""}, ${object.group_id}, ${object.source_id}, ${object.buyer_id}, ${object.seller_id}, ${object.status},
      ${object.amount}, ${object.currency}, ${JSON.stringify(object.details)}::jsonb,
      ${object.next_at}, ${object.next_status}, 0, ${now})`;
}

export async function lockObject(tx: Tx, objectId: string): Promise<BookObject | undefined> {
  const [object] = await tx.sql<BookObject>`
    SELECT * FROM sandbox.object WHERE object_id = ${objectId} FOR UPDATE`;
  return object;
}

export interface ObjectChange {
  readonly status: string;
  readonly details?: Details;
  readonly next?: { readonly at: Date; readonly status: string };
}

/** Writes the new state, what it moved, and queues the webhook that tells of it. */
export async function changeObject(
  tx: Tx,
  object: BookObject,
  change: ObjectChange,
  type: string,
  now: Date,
): Promise<void> {
  const details = change.details ?? object.details;
  await tx.sql`
    UPDATE sandbox.object SET status = ${change.status},
      details = ${JSON.stringify(details)}::jsonb,
      next_at = ${change.next?.at ?? null}, next_status = ${change.next?.status ?? null},
      events = events + 1
    WHERE object_id = ${object.object_id}`;
  await recordMovements(tx, movementsOf(object, change), now);
  await announce(tx, object, type, now);
}

/** Every event is kept for its list, whether its webhook arrives or not. */
async function announce(tx: Tx, object: BookObject, type: string, now: Date): Promise<void> {
  const parties = [object.buyer_id, object.seller_id];
  const copies = parties.some((party) => has(party, "duplicate")) ? 3 : 1;
  const late = object.events === 0 && parties.some((party) => has(party, "reordered"));
  const eventId = `evt_${hashFields(object.object_id, String(object.events)).slice(0, 24)}`;
  const body = JSON.stringify({
    id: eventId,
    type,
    created: now.toISOString(),
    data: {
      objectId: object.object_id,
      kind: object.kind,
      ...(object.details.account && { account: object.details.account }),
    },
  });
  const dueAt = late ? new Date(now.getTime() + 1_000) : now;
  await tx.sql`
    WITH kept AS (
      INSERT INTO sandbox.event (event_id, type, object_id, created_at)
      VALUES (${eventId}, ${type}, ${object.object_id}, ${now})
    )
    INSERT INTO sandbox.delivery (event_id, object_id, body, due_at)
    SELECT ${eventId}::text, ${object.object_id}::text, ${body}::text, ${dueAt}::timestamptz
    FROM generate_series(1, ${copies}::int)`;
}

export function received({ details }: Pick<BookObject, "details">): bigint {
  return (details.deposits ?? []).reduce((sum, { amount }) => sum + BigInt(amount), 0n);
}

export function paymentOf(object: BookObject): ProviderPayment {
  const { deposits = [], fee, lastError } = object.details;
  return {
    kind: "payment",
    objectId: object.object_id,
    operationId: object.operation_id,
    attemptKey: object.attempt_key,
    status: object.status as ProviderPayment["status"],
    deposits: deposits.map((deposit) => ({ ...deposit, amount: BigInt(deposit.amount) })),
    fee: fee === undefined ? undefined : BigInt(fee),
    lastError,
    instructions: { clientSecret: `${object.object_id}_secret` },
  };
}

export function transferOf(object: BookObject): ProviderTransfer {
  return {
    kind: "transfer",
    objectId: object.object_id,
    operationId: object.operation_id,
    attemptKey: object.attempt_key,
    status: object.status as ProviderTransfer["status"],
    fee: undefined,
  };
}

export function refundOf(object: BookObject): ProviderRefund {
  return {
    kind: "refund",
    objectId: object.object_id,
    operationId: object.operation_id,
    attemptKey: object.attempt_key,
    status: object.status as ProviderRefund["status"],
    code: object.details.lastError ?? "",
  };
}

export function reversalOf(object: BookObject): ProviderReversal {
  return {
    kind: "reversal",
    objectId: object.object_id,
    operationId: object.operation_id,
    attemptKey: object.attempt_key,
    status: object.status as ProviderReversal["status"],
    amount: object.amount,
  };
}

export function accountOf(object: BookObject): ProviderAccount {
  return {
    kind: "account",
    objectId: object.object_id,
    partyId: object.seller_id,
    status: object.status as ProviderAccount["status"],
    requirementsDue: object.status === "READY" ? [] : ["identity_document"],
    onboardingUrl: undefined,
  };
}
