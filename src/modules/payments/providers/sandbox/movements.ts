/**
 * The simulated provider's account of our balance: a line for whatever moved on it, written with the
 * change of the object it moved for and never altered.
 */
import type { Queryable, Tx } from "#platform/database/database";
import type { Page, PageRequest, ProviderMovement, VerifiedWebhook } from "../../provider.ts";

export interface Movement {
  readonly objectId: string;
  readonly category: string;
  /** Signed, minor units: what came in, before the fee. */
  readonly amount: bigint;
  readonly fee: bigint;
  readonly currency: string;
}

interface Details {
  readonly movements?: readonly {
    readonly direction: "taken" | "reinstated";
    readonly amount: string;
    readonly fee: string;
  }[];
  readonly deposits?: readonly { readonly amount: string; readonly currency: string }[];
  readonly fee?: string;
}

/** As it stands in the book. */
interface Before {
  readonly object_id: string;
  readonly kind: string;
  readonly status: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly details: Details;
}

interface Change {
  readonly status: string;
  readonly details?: Details;
}

/** What a change of an object means for our balance. Deposits and the fee are known at their time. */
export function movementsOf(before: Before, { status, details }: Change): Movement[] {
  const { object_id: objectId, currency, amount } = before;
  const line = { objectId, fee: 0n, currency };
  switch (before.kind) {
    case "payment": {
      const known = before.details.deposits?.length ?? 0;
      const arrived = (details?.deposits ?? []).slice(known).map((deposit) => ({
        ...line,
        category: "charge",
        amount: BigInt(deposit.amount),
        currency: deposit.currency,
      }));
      const fee = BigInt(details?.fee ?? "0") - BigInt(before.details.fee ?? "0");
      if (details?.fee === undefined || fee === 0n) return arrived;
      return [...arrived, { ...line, category: "charge", amount: 0n, fee }];
    }
    case "transfer":
      return turned(before, status, "succeeded")
        ? [{ ...line, category: "transfer", amount: -amount }]
        : [];
    case "refund":
      if (turned(before, status, "succeeded")) {
        return [{ ...line, category: "refund", amount: -amount }];
      }
      return before.status === "succeeded" && status === "failed"
        ? [{ ...line, category: "refund_failure", amount }]
        : [];
    case "reversal":
      return turned(before, status, "succeeded")
        ? [{ ...line, category: "transfer_reversal", amount }]
        : [];
    case "dispute":
      return (details?.movements ?? [])
        .slice(before.details.movements?.length ?? 0)
        .map((movement) => ({
          ...line,
          category: movement.direction === "taken" ? "dispute" : "dispute_reversal",
          amount: BigInt(movement.amount) * (movement.direction === "taken" ? -1n : 1n),
          fee: BigInt(movement.fee),
        }));
    default:
      return [];
  }
}

function turned(before: Before, status: string, into: string): boolean {
  return before.status !== into && status === into;
}

export async function recordMovements(
  tx: Tx,
  movements: readonly Movement[],
  now: Date,
): Promise<void> {
  if (movements.length === 0) return;
  await tx.sql`
    INSERT INTO sandbox.movement (object_id, category, amount, fee, currency, at)
    SELECT *, ${now}::timestamptz FROM unnest(
      ${movements.map(({ objectId }) => objectId)}::text[],
      ${movements.map(({ category }) => category)}::text[],
      ${movements.map(({ amount }) => amount)}::bigint[],
      ${movements.map(({ fee }) => fee)}::bigint[],
      ${movements.map(({ currency }) => currency)}::text[])`;
}

const pageSize = 100;

export async function listMovements(
  db: Queryable,
  { from, until, cursor }: PageRequest,
): Promise<Page<ProviderMovement>> {
  const rows = await db.sql<Omit<ProviderMovement, "movementId"> & { no: bigint }>`
    SELECT movement_no AS no, object_id AS "objectId", category, amount, fee, currency, exchanged, at
    FROM sandbox.movement
    WHERE at >= ${from}::timestamptz AND at < ${until}::timestamptz
      AND movement_no > ${BigInt(cursor ?? "0")}
    ORDER BY movement_no LIMIT ${pageSize}`;
  const items = rows.map(({ no, ...movement }) => ({ movementId: `sbx_mv_${no}`, ...movement }));
  return { items, next: nextOf(rows) };
}

export async function listEvents(
  db: Queryable,
  { from, until, cursor }: PageRequest,
): Promise<Page<VerifiedWebhook>> {
  const rows = await db.sql<{
    no: bigint;
    eventId: string;
    type: string;
    objectId: string;
    createdAt: Date;
  }>`
    SELECT event_no AS no, event_id AS "eventId", type, object_id AS "objectId",
      created_at AS "createdAt"
    FROM sandbox.event
    WHERE created_at >= ${from}::timestamptz AND created_at < ${until}::timestamptz
      AND event_no > ${BigInt(cursor ?? "0")}
    ORDER BY event_no LIMIT ${pageSize}`;
  const items = rows.map(({ no: _, ...event }) => ({ ...event, livemode: false, account: "" }));
  return { items, next: nextOf(rows) };
}

function nextOf(rows: readonly { readonly no: bigint }[]): string | undefined {
  return rows.length === pageSize ? rows.at(-1)?.no.toString() : undefined;
}
