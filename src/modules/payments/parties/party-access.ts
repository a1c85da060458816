/**
 * How a caller stands to a party. A service has to do with those it registered and with members of
 * escrows it created; it makes such a tie alone, so the tie reaches only what is the service's own:
 * what it registered itself, used in escrows it created.
 */
import type { Database } from "#platform/database/database";
import type { Principal } from "#platform/module";

/**
 * self: the party. operator: an admin. keeper: a service, and nobody else has to do with the party.
 * service: one of those that have. registrar: a service, and the party is unknown to all. reader: an
 * auditor, who may change nothing.
 */
export type PartyStanding = "self" | "operator" | "keeper" | "service" | "registrar" | "reader";

export interface PartyAccess {
  /** Undefined: for this caller there is no such party. */
  standing(partyId: string, principal: Principal): Promise<PartyStanding | undefined>;
}

interface Ties {
  readonly known: boolean;
  readonly mine: boolean;
  readonly othersToo: boolean;
}

/** What the party or an admin says holds everywhere: ''. What a service says is its own. */
export function scopeOf(standing: PartyStanding, subject: string): string {
  return standing === "self" || standing === "operator" ? "" : subject;
}

export function createPartyAccess({ db }: { readonly db: Database }): PartyAccess {
  return {
    standing: async (partyId, { subject, onBehalfOf, roles }) => {
      if (onBehalfOf === undefined && subject === partyId) return "self";
      if (roles.includes("admin")) return "operator";
      if (roles.includes("service") && (onBehalfOf ?? partyId) === partyId) {
        const { known, mine, othersToo } = await tiesOf(db, partyId, subject);
        if (mine) return othersToo ? "service" : "keeper";
        if (!known) return "registrar";
      }
      return roles.includes("auditor") ? "reader" : undefined;
    },
  };
}

async function tiesOf(db: Database, partyId: string, serviceId: string): Promise<Ties> {
  const [row] = await db.sql<{ known: boolean; mine: boolean | null; alone: boolean | null }>`
    SELECT count(*) > 0 AS known, bool_or(service_id = ${serviceId}) AS mine,
      bool_and(service_id = ${serviceId}) AS alone
    FROM (
      SELECT service_id FROM payments.party WHERE party_id = ${partyId}
      UNION ALL
      SELECT service_id FROM payments.payout_method WHERE party_id = ${partyId}
      UNION ALL
      SELECT '' FROM payments.refund_address WHERE party_id = ${partyId}
      UNION ALL
      SELECT service_id FROM payments.payment WHERE buyer_id = ${partyId}
      UNION ALL
      SELECT service_id FROM payments.payment WHERE seller_id = ${partyId}
    ) ties`;
  return {
    known: row?.known === true,
    mine: row?.mine === true,
    othersToo: row?.alone !== true,
  };
}
