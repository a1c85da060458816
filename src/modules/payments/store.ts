/**
 * Reads of the payments schema inside a transaction. Lock order, everywhere: provider objects, then
 * roots by escrow id, then children in statements of their own (a row read in the statement that
 * waited for the lock would be as old as its start).
 */
import type { Tx } from "#platform/database/database";
import { debtKey } from "./domain/netting.ts";
import type { Operation } from "./domain/payment.ts";
import type { Root } from "./journal.ts";
import { type OperationRow, operationOf, type PaymentRow, paymentOf } from "./schema.ts";

/** Locks the roots that exist, by escrow id. */
export async function lockRoots(tx: Tx, escrowIds: readonly string[]): Promise<Map<string, Root>> {
  if (escrowIds.length === 0) return new Map();
  const rows = await tx.sql<PaymentRow>`
    SELECT * FROM payments.payment WHERE escrow_id = ANY(${unique(escrowIds)}::text[])
    ORDER BY escrow_id FOR UPDATE`;
  return rootsOf(rows);
}

/** The same for a worker that has other work to do meanwhile: leaves out what another holds. */
export async function tryLockRoots(
  tx: Tx,
  escrowIds: readonly string[],
): Promise<Map<string, Root>> {
  if (escrowIds.length === 0) return new Map();
  const rows = await tx.sql<PaymentRow>`
    SELECT * FROM payments.payment WHERE escrow_id = ANY(${unique(escrowIds)}::text[])
    ORDER BY escrow_id FOR UPDATE SKIP LOCKED`;
  return rootsOf(rows);
}

function rootsOf(rows: readonly PaymentRow[]): Map<string, Root> {
  return new Map(
    rows.map((row) => [
      row.escrow_id,
      {
        escrowNo: row.escrow_no,
        createdAt: row.created_at,
        stored: true,
        payment: paymentOf(row),
      },
    ]),
  );
}

export async function drawEscrowNos(tx: Tx, count: number): Promise<bigint[]> {
  if (count === 0) return [];
  const rows = await tx.sql<{ no: bigint }>`
    SELECT nextval('payments.escrow_no') AS no FROM generate_series(1, ${count}::int)`;
  return rows.map(({ no }) => no);
}

/** By operation id. The caller holds the roots' locks. */
export async function loadOperations(
  tx: Tx,
  operationIds: readonly string[],
): Promise<Map<string, OperationRow>> {
  if (operationIds.length === 0) return new Map();
  const rows = await tx.sql<OperationRow>`
    SELECT * FROM payments.operation
    WHERE operation_id = ANY(${unique(operationIds)}::text[])`;
  return new Map(rows.map((row) => [row.operation_id, row]));
}

/** Those whose object was read and could not be recorded, by operation. */
export async function loadContradicted(
  tx: Tx,
  operationIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (operationIds.length === 0) return new Set();
  const rows = await tx.sql<{ operation_id: string }>`
    SELECT operation_id FROM payments.provider_object
    WHERE problem <> '' AND operation_id = ANY(${unique(operationIds)}::text[])`;
  return new Set(rows.map(({ operation_id }) => operation_id));
}

export function operationsByEscrow(
  rows: Iterable<OperationRow>,
): Map<string, Map<string, Operation>> {
  const found = new Map<string, Map<string, Operation>>();
  for (const row of rows) {
    const operations = found.get(row.escrow_id) ?? new Map<string, Operation>();
    operations.set(row.operation_id, operationOf(row));
    found.set(row.escrow_id, operations);
  }
  return found;
}

/** The ids of the deposits booked already, by escrow. */
export async function loadDeposits(
  tx: Tx,
  roots: Iterable<Root>,
): Promise<Map<bigint, ReadonlySet<string>>> {
  const nos = [...roots].map(({ escrowNo }) => escrowNo);
  const found = new Map<bigint, Set<string>>(nos.map((no) => [no, new Set()]));
  if (nos.length === 0) return found;
  const rows = await tx.sql<{ escrow_no: bigint; deposit_id: string }>`
    SELECT escrow_no, deposit_id FROM payments.deposit WHERE escrow_no = ANY(${nos}::bigint[])`;
  for (const { escrow_no, deposit_id } of rows) found.get(escrow_no)?.add(deposit_id);
  return found;
}

/** Commands that have their outcome, with the fingerprint of the request that came first. */
export async function knownCommands(
  tx: Tx,
  commandIds: readonly string[],
  escrowNos: readonly bigint[],
): Promise<Map<string, string>> {
  const rows = await tx.sql<{ command_id: string; fingerprint: string }>`
    SELECT command_id, fingerprint FROM payments.command_outcome
    WHERE escrow_no = ANY(${[0n, ...escrowNos]}::bigint[])
      AND command_id = ANY(${commandIds}::text[])`;
  return new Map(rows.map(({ command_id, fingerprint }) => [command_id, fingerprint]));
}

/** What sellers owe, locked: two releases must not net one debt twice. Key: `party currency`. */
export async function lockDebts(
  tx: Tx,
  sellerIds: readonly string[],
): Promise<Map<string, bigint>> {
  if (sellerIds.length === 0) return new Map();
  const rows = await tx.sql<{ party_id: string; currency: string; owed: bigint }>`
    SELECT party_id, currency, owed FROM payments.seller_debt
    WHERE party_id = ANY(${unique(sellerIds)}::text[])
    ORDER BY party_id, currency FOR UPDATE`;
  return new Map(rows.map(({ party_id, currency, owed }) => [debtKey(party_id, currency), owed]));
}

/** The payout method an escrow's seller is paid by. */
export interface Receiver {
  readonly ready: boolean;
  /** The provider's id of the account. */
  readonly account: string;
}

/**
 * Where sellers are paid, by escrow, where there is a method: the seller's own, else the one of the
 * service that created the escrow; never another service's.
 */
export async function loadReadiness(
  tx: Tx,
  escrowIds: readonly string[],
): Promise<Map<string, Receiver>> {
  if (escrowIds.length === 0) return new Map();
  const rows = await tx.sql<{ escrow_id: string; status: string; account_id: string }>`
    SELECT escrow_id, status, account_id FROM payments.receiver
    WHERE escrow_id = ANY(${unique(escrowIds)}::text[])`;
  return new Map(
    rows.map(({ escrow_id, status, account_id: account }) => [
      escrow_id,
      { ready: status === "READY", account },
    ]),
  );
}

export function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
