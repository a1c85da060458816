/**
 * Who may read an escrow: its parties, the service that created it, a service for a member of such
 * an escrow, operators. For everyone else it does not exist.
 */
import type { EscrowRecord } from "#gen/escrow/v1/queries_pb";
import { actorOf } from "#platform/http/principal";
import type { Principal } from "#platform/module";

const readerRoles = ["admin", "auditor"];

/** The member the caller is, or acts for. */
export function memberOf(principal: Principal): string {
  return actorOf(principal).id;
}

export function readsAll(principal: Principal): boolean {
  return principal.roles.some((role) => readerRoles.includes(role));
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
  const { subject, onBehalfOf } = principal;
  const service = onBehalfOf === undefined ? undefined : subject;
  return { member: memberOf(principal), service };
}

export function mayRead({ terms, created }: EscrowRecord, principal: Principal): boolean {
  if (readsAll(principal)) return true;
  const { subject, onBehalfOf } = principal;
  if (onBehalfOf !== undefined && created?.serviceId !== subject) return false;
  const member = memberOf(principal);
  return member === terms?.buyerId || member === terms?.sellerId || subject === created?.serviceId;
}
