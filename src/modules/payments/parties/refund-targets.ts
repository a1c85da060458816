/**
 * Where refunds go that need an address: the buyer's own, if he has one that is proven and screened.
 * It is part of the bytes that are fixed when the refund is opened.
 */
import { sha256Hex } from "#kernel/ids";
import type { Tx } from "#platform/database/database";
import { encodeBytes } from "#platform/database/statement";
import type { ProviderRequest } from "../provider.ts";
import { type OperationRow, requestIn, type WriteRow } from "../schema.ts";

/** The rows of operations to open; refunds whose buyer has an address carry it. */
export async function aimedRefunds(tx: Tx, rows: readonly WriteRow[]): Promise<WriteRow[]> {
  const refunds = rows.filter((row) => row["kind"] === "REFUND" && row["target"] === "");
  if (refunds.length === 0) return [...rows];
  const addresses = await refundAddresses(
    tx,
    refunds.map((row) => ({ provider: String(row["provider"]), partyId: requestOf(row).buyerId })),
  );
  if (addresses.size === 0) return [...rows];
  return rows.map((row) => {
    if (!refunds.includes(row)) return row;
    const request = requestOf(row);
    const target = addresses.get(`${row["provider"]} ${request.buyerId}`);
    return target === undefined ? row : { ...row, ...aimed(request, target) };
  });
}

/** What changes in an operation's row with the address it goes to. */
export function aimed(request: ProviderRequest, target: string) {
  const params = JSON.stringify({ ...request, target });
  return { target, params: encodeBytes(Buffer.from(params)), body_hash: sha256Hex(params) };
}

/** No attempt of it can have happened: what it asks for may still be changed. */
export function isUnsent({ state, tries, absent_before }: OperationRow): boolean {
  return state === "READY" && tries === 0 && absent_before === false;
}

/**
 * The rows as they are to be called: a refund whose key was never used goes to the address its buyer
 * has now, not to the one he had when it was opened. The roots are locked.
 */
export async function aimedAgain(
  tx: Tx,
  rows: readonly OperationRow[],
): Promise<readonly OperationRow[]> {
  const unsent = rows.filter((row) => row.kind === "REFUND" && isUnsent(row) && row.target !== "");
  if (unsent.length === 0) return rows;
  const asked = unsent.map((row) => ({
    provider: row.provider,
    partyId: requestIn(row).buyerId,
  }));
  const addresses = await refundAddresses(tx, asked);
  const moved = new Map<string, OperationRow>();
  for (const row of unsent) {
    const request = requestIn(row);
    const address = addresses.get(`${row.provider} ${request.buyerId}`);
    if (address === undefined || address === row.target) continue;
    const { target, params, body_hash } = aimed(request, address);
    const [now] = await tx.sql<OperationRow>`
      UPDATE payments.operation
      SET target = ${target}, params = ${params}::bytea, body_hash = ${body_hash}
      WHERE operation_id = ${row.operation_id} RETURNING *`;
    if (now !== undefined) moved.set(row.operation_id, now);
  }
  return rows.map((row) => moved.get(row.operation_id) ?? row);
}

/** The committed bytes, as the database's text has them. */
function requestOf(row: WriteRow): ProviderRequest {
  const hex = String(row["params"]).slice("\\x".length);
  return JSON.parse(Buffer.from(hex, "hex").toString("utf8")) as ProviderRequest;
}

/** Key: `provider party`. */
async function refundAddresses(
  tx: Tx,
  of: readonly { readonly provider: string; readonly partyId: string }[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await tx.sql<{ provider: string; party_id: string; address: string }>`
    SELECT provider, party_id, address FROM payments.refund_address
    WHERE status = 'READY' AND (provider, party_id) IN (SELECT * FROM unnest(
      ${of.map(({ provider }) => provider)}::text[], ${of.map(({ partyId }) => partyId)}::text[]))`;
  return new Map(
    rows.map(({ provider, party_id, address }) => [`${provider} ${party_id}`, address]),
  );
}
