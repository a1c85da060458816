/** How much of what an object says was taken the payment's booked deposits cannot explain. Pure. */
import { max, sum } from "#kernel/money";
import type { ForeignObject } from "../provider.ts";
import type { Dispute } from "./dispute.ts";
import type { Payment } from "./payment.ts";

/** 0 where nothing of it is new. Minor units. */
export function unexplained(
  { funds }: Payment,
  disputes: ReadonlyMap<string, Dispute>,
  object: ForeignObject,
): bigint {
  const fresh = takenAnew(object, disputes);
  if (fresh === 0n) return 0n;
  const before = sum([...disputes.values()].map(({ taken, reinstated }) => taken - reinstated));
  return max(before + fresh - funds.funded, 0n);
}

function takenAnew(object: ForeignObject, disputes: ReadonlyMap<string, Dispute>): bigint {
  switch (object.kind) {
    case "dispute": {
      const booked = disputes.get(object.objectId)?.movements;
      const fresh = object.movements.filter(({ movementId }) => booked?.has(movementId) !== true);
      return sum(fresh.map(({ direction, amount }) => (direction === "taken" ? amount : -amount)));
    }
    case "foreign": {
      const booked = disputes.get(object.objectId)?.movements.has(object.objectId) === true;
      const moved = object.movement === "refund" && object.status === "succeeded";
      return moved && !booked ? object.amount : 0n;
    }
    case "warning":
    case "deposit_undone":
    case "payout":
      return 0n;
    default:
      return object satisfies never;
  }
}
