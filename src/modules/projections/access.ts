/** Who may read an escrow's view, and whose escrows a list shows; the same rule, once per row and once in SQL. */
import type { EscrowRecord } from "#gen/escrow/v1/queries_pb";
import { readsAll as readsAllOf, standingOf } from "#kernel/standing";
import { actorOf } from "#platform/http/principal";
import type { Principal } from "#platform/module";

export function readsAll(principal: Principal): boolean {
  return readsAllOf(actorOf(principal));
}

/** Whose escrows a list shows. */
export interface Reader {
  readonly member: string;
  /** Set when a service acts for the member: only escrows it created. */
  readonly service: string | undefined;
}

/** Undefined for those who read all. */
export function readerOf(principal: Principal): Reader | undefined {
  if (readsAll(principal)) return undefined;
  const { id: member, serviceId } = actorOf(principal);
  return { member, service: serviceId || undefined };
}

export function mayRead({ terms, created }: EscrowRecord, principal: Principal): boolean {
  const { buyerId = "", sellerId = "" } = terms ?? {};
  const members = { buyerId, sellerId, serviceId: created?.serviceId ?? "" };
  return standingOf(members, actorOf(principal)) !== undefined;
}
