/**
 * Who has to do with an escrow: the one rule behind every route, the decider and the lists. Its
 * members are buyer and seller; a service speaks for them where it created the escrow; roles add
 * the operators. For everyone else the escrow does not exist.
 */

/** Of an escrow. */
export interface Members {
  readonly buyerId: string;
  readonly sellerId: string;
  /** The service that created it, "" when none did. */
  readonly serviceId: string;
}

export interface Caller {
  /** The member he is, or acts for. */
  readonly id: string;
  /** The service that acts for the member, "" when he acts himself. */
  readonly serviceId: string;
  readonly roles: readonly string[];
}

/** creator: the service in its own name. operator: an admin. auditor: reads all, changes nothing. */
export type Standing = "buyer" | "seller" | "creator" | "operator" | "auditor";

export function standingOf(members: Members, caller: Caller): Standing | undefined {
  const { buyerId, sellerId, serviceId } = members;
  const acting = caller.serviceId !== "";
  // Whoever acts for a member has the member's rights, and none of his own roles.
  if (acting && caller.serviceId !== serviceId) return undefined;
  if (caller.id === buyerId) return "buyer";
  if (caller.id === sellerId) return "seller";
  if (acting) return undefined;
  if (caller.roles.includes("admin")) return "operator";
  if (serviceId !== "" && caller.id === serviceId) return "creator";
  return caller.roles.includes("auditor") ? "auditor" : undefined;
}

/** Sees every escrow, whoever its members are. */
export function readsAll({ serviceId, roles }: Caller): boolean {
  return serviceId === "" && (roles.includes("admin") || roles.includes("auditor"));
}
