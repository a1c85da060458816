/**
 * What payments can prove of an escrow to a buyer's bank: what was paid and when, every call and
 * posting, what the bank took. Ids, amounts and instants only.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Database } from "#platform/database/database";
import { escrowPostings } from "../ledger/ledger-views.ts";
import type { OperationRow, PaymentRow } from "../schema.ts";
import { disputesOf } from "./dispute-views.ts";

export interface PaymentEvidence {
  readonly facts: JsonValue;
  /** Until when the next bank wants an answer. */
  readonly dueBy: string | undefined;
}

interface DepositRow {
  readonly deposit_id: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly disposition: string;
  readonly at: Date;
}

/** Undefined: the escrow has no payment. */
export async function paymentEvidence(
  db: Database,
  escrowId: string,
): Promise<PaymentEvidence | undefined> {
  const [row] = await db.sql<PaymentRow>`
    SELECT * FROM payments.payment WHERE escrow_id = ${escrowId}`;
  if (row === undefined) return undefined;
  const no = row.escrow_no;
  const deposits = await db.sql<DepositRow>`
    SELECT deposit_id, amount, currency, disposition, at FROM payments.deposit
    WHERE escrow_no = ${no} ORDER BY at, deposit_id`;
  const operations = await db.sql<OperationRow & { created_at: Date; updated_at: Date }>`
    SELECT * FROM payments.operation WHERE escrow_no = ${no} ORDER BY number, operation_id`;
  const disputes = await disputesOf(db, no);
  const dueBy = disputes
    .flatMap(({ locked, evidenceDueBy }) => (locked && evidenceDueBy ? [evidenceDueBy] : []))
    .sort()[0];
  const facts: JsonValue = {
    paymentId: row.payment_id,
    provider: row.provider,
    providerRef: row.provider_ref ?? "",
    status: row.status,
    currency: row.currency,
    received: row.funded.toString(),
    deposits: deposits.map((deposit) => ({
      depositId: deposit.deposit_id,
      amount: deposit.amount.toString(),
      currency: deposit.currency,
      disposition: deposit.disposition,
      at: deposit.at.toISOString(),
    })),
    operations: operations.map((operation) => ({
      operationId: operation.operation_id,
      kind: operation.kind,
      state: operation.state,
      objectId: operation.object_id ?? "",
      amount: operation.net.toString(),
      askedAt: operation.created_at.toISOString(),
      changedAt: operation.updated_at.toISOString(),
    })),
    disputes,
    postings: await escrowPostings(db, row, { whole: true, debts: false }),
  };
  return { facts, dueBy };
}
