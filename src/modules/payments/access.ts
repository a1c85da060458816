/**
 * Who may see an escrow's payment and books: the parties on its root row, a service for a member of
 * an escrow it created, operators. For everyone else it does not exist.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import { foundSoon } from "#platform/found-soon";
import { notFound } from "#platform/http/problem";
import type { Principal } from "#platform/module";
import type { PaymentRow } from "./schema.ts";

/** How a caller stands to an escrow. operator: an admin or auditor who is no member. */
export type Standing = "buyer" | "seller" | "operator";

export const anyStanding: readonly Standing[] = ["buyer", "seller", "operator"];

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
      const standing = standingOf(row, principal);
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

export function standingOf(row: PaymentRow, principal: Principal): Standing | undefined {
  const { subject, onBehalfOf, roles } = principal;
  const mayAct = onBehalfOf === undefined || subject === row.service_id;
  const member = onBehalfOf ?? subject;
  if (mayAct && member === row.buyer_id) return "buyer";
  if (mayAct && member === row.seller_id) return "seller";
  return roles.includes("admin") || roles.includes("auditor") ? "operator" : undefined;
}
