/**
 * Who may see an escrow's payment and books, by the members on its root row. For everyone else it
 * does not exist.
 */
import { type Standing, standingOf } from "#kernel/standing";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { foundSoon } from "#platform/found-soon";
import { actorOf } from "#platform/http/principal";
import { notFound } from "#platform/http/problem";
import type { Principal } from "#platform/module";
import type { PaymentRow } from "./schema.ts";

/** The parties, and those who may look at every escrow. */
export const partiesAndOperators: readonly Standing[] = ["buyer", "seller", "operator", "auditor"];

export interface Access {
  /** The row of an escrow the caller has one of the standings to; throws 404 otherwise. */
  byEscrowId(
    escrowId: string,
    principal: Principal,
    standings: readonly Standing[],
  ): Promise<PaymentRow>;
  byPaymentId(
    paymentId: string,
    principal: Principal,
    standings: readonly Standing[],
  ): Promise<PaymentRow>;
}

export function createAccess({
  db,
  clock,
}: {
  readonly db: Database;
  readonly clock: Clock;
}): Access {
  async function find(
    read: () => Promise<readonly PaymentRow[]>,
    principal: Principal,
    standings: readonly Standing[],
  ): Promise<PaymentRow> {
    const found = await foundSoon(clock, async (last) => {
      const [row] = await read();
      if (row === undefined) return undefined;
      const standing = standingTo(row, principal);
      if (standing === undefined || !standings.includes(standing)) return undefined;
      // The provider's side of a new payment follows a moment later: worth the same wait.
      return isComplete(row) || last ? row : undefined;
    });
    if (found === undefined) throw notFound();
    return found;
  }
  return {
    byEscrowId: (escrowId, principal, standings) => {
      const read = () => db.sql<PaymentRow>`
        SELECT * FROM payments.payment WHERE escrow_id = ${escrowId}`;
      return find(read, principal, standings);
    },
    byPaymentId: (paymentId, principal, standings) => {
      const read = () => db.sql<PaymentRow>`
        SELECT * FROM payments.payment WHERE payment_id = ${paymentId}`;
      return find(read, principal, standings);
    },
  };
}

function isComplete({ provider_ref, status }: PaymentRow): boolean {
  return provider_ref !== null || status !== "REQUIRES_PAYMENT";
}

export function standingTo(row: PaymentRow, principal: Principal): Standing | undefined {
  const { buyer_id: buyerId, seller_id: sellerId, service_id: serviceId } = row;
  return standingOf({ buyerId, sellerId, serviceId }, actorOf(principal));
}
