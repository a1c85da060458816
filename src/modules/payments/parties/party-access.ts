/**
 * How a caller stands to a party. A service acts for those it registered and for members of escrows
 * it created, nobody else: where a seller's money goes is not every backend's business.
 */
import type { Database } from "#platform/database";
import type { Principal } from "#platform/module";

/**
 * self: the party. operator: an admin. service: one that may act for it. registrar: a service, and
 * the party is unknown to all. reader: an auditor, who may change nothing.
 */
export type PartyStanding = "self" | "operator" | "service" | "registrar" | "reader";

export interface PartyAccess {
  /** Undefined: for this caller there is no such party. */
  standing(partyId: string, principal: Principal): Promise<PartyStanding | undefined>;
}

interface Ties {
  readonly known: boolean;
  readonly mine: boolean;
}

export function createPartyAccess({ db }: { readonly db: Database }): PartyAccess {
  return {
    standing: async (partyId, { subject, onBehalfOf, roles }) => {
      if (onBehalfOf === undefined && subject === partyId) return "self";
      if (roles.includes("admin")) return "operator";
      if (roles.includes("service") && (onBehalfOf ?? partyId) === partyId) {
        const { known, mine } = await tiesOf(db, partyId, subject);
        if (mine) return "service";
        if (!known) return "registrar";
      }
      return roles.includes("auditor") ? "reader" : undefined;
    },
  };
}

async function tiesOf(db: Database, partyId: string, serviceId: string): Promise<Ties> {
  const [row] = await db.sql<{ known: boolean; mine: boolean | null }>`
    SELECT count(*) > 0 AS known, bool_or(service_id = ${serviceId}) AS mine FROM (
      SELECT registered_by AS service_id FROM payments.party WHERE party_id = ${partyId}
      UNION ALL
      SELECT registered_by FROM payments.payout_method WHERE party_id = ${partyId}
      UNION ALL
      SELECT service_id FROM payments.payment WHERE buyer_id = ${partyId}
      UNION ALL
      SELECT service_id FROM payments.payment WHERE seller_id = ${partyId}
    ) ties`;
  return { known: row?.known === true, mine: row?.mine === true };
}
