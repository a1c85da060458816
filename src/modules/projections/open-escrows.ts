/** Whether a party still has to do with money or a deal here. */
import { fromBinary } from "@bufbuild/protobuf";
import { EscrowRecordSchema } from "#gen/escrow/v1/queries_pb";
import { EscrowStatus_State as State } from "#gen/escrow/v1/types_pb";
import type { Database } from "#platform/database/database";

const over = [State.CANCELLED, State.RELEASED, State.REFUNDED, State.CHARGED_BACK, State.CLOSED];
const overNames = over.map((state) => State[state] ?? "");

/** The id of one that is not over; a cancelled one is open while late money lies in it. */
export async function openEscrowOf(db: Database, partyId: string): Promise<string | undefined> {
  const [open] = await db.sql<{ escrow_id: string }>`
    SELECT escrow_id FROM projections.escrow_view
    WHERE (buyer_id = ${partyId} OR seller_id = ${partyId}) AND state <> ALL(${overNames}::text[])
    LIMIT 1`;
  if (open !== undefined) return open.escrow_id;
  const cancelled = await db.sql<{ escrow_id: string; record: Uint8Array }>`
    SELECT escrow_id, record FROM projections.escrow_view
    WHERE (buyer_id = ${partyId} OR seller_id = ${partyId}) AND state = 'CANCELLED'`;
  return cancelled.find(({ record }) => holdsMoney(record))?.escrow_id;
}

function holdsMoney(record: Uint8Array): boolean {
  const funds = fromBinary(EscrowRecordSchema, record).status?.funds;
  return funds !== undefined && funds.pending + funds.held + funds.reserved + funds.blocked > 0n;
}
