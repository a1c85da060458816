/**
 * Who may see an escrow's payment and books: the parties on its root row, a service for a member of
 * an escrow it created, operators. For everyone else it does not exist.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import { notFound } from "#platform/http/problem";
import type { Principal } from "#platform/module";
import type { PaymentRow } from "./schema.ts";

export type Role = "buyer" | "seller" | "operator";

export interface Access {
  /** The row of an escrow the caller takes one of the roles in; throws 404 otherwise. */
  payment(escrowId: string, principal: Principal, roles: readonly Role[]): Promise<PaymentRow>;
  byPaymentId(paymentId: string, principal: Principal, roles: readonly Role[]): Promise<PaymentRow>;
}

/** Just accepted is not 404: a row that is on its way arrives within this time. */
const patienceMs = 1_000;
const tickMs = 25;

export function createAccess({
  db,
  clock,
}: {
  readonly db: Database;
  readonly clock: Clock;
}): Access {
  async function find(
    read: () => Promise<PaymentRow | undefined>,
    principal: Principal,
    roles: readonly Role[],
  ): Promise<PaymentRow> {
    const until = clock.monotonicMs() + patienceMs;
    for (;;) {
      const row = await read();
      const role = row && roleOf(row, principal);
      // The provider's side of a new payment follows a moment later: worth the same wait.
      const complete = row?.provider_ref !== null || row.status !== "REQUIRES_PAYMENT";
      const late = clock.monotonicMs() >= until;
      if (row && role && roles.includes(role) && (complete || late)) return row;
      if (late) throw notFound();
      await clock.sleep(tickMs);
    }
  }
  return {
    payment: (escrowId, principal, roles) =>
      find(
        async () => {
          const [row] = await db.sql<PaymentRow>`
            SELECT * FROM payments.payment WHERE escrow_id = ${escrowId}`;
          return row;
        },
        principal,
        roles,
      ),
    byPaymentId: (paymentId, principal, roles) =>
      find(
        async () => {
          const [row] = await db.sql<PaymentRow>`
            SELECT * FROM payments.payment WHERE payment_id = ${paymentId}`;
          return row;
        },
        principal,
        roles,
      ),
  };
}

export function roleOf(row: PaymentRow, principal: Principal): Role | undefined {
  const { subject, onBehalfOf, roles } = principal;
  const mayAct = onBehalfOf === undefined || subject === row.service_id;
  const member = onBehalfOf ?? subject;
  if (mayAct && member === row.buyer_id) return "buyer";
  if (mayAct && member === row.seller_id) return "seller";
  return roles.includes("admin") || roles.includes("auditor") ? "operator" : undefined;
}
