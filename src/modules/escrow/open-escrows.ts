/**
 * Whether a party still has to do with money or a deal here. By the rows that decide themselves: the
 * read models may be behind. No index leads to a party's, so each page goes through the table; it is
 * asked seldom.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { type Escrow, Escrow_Stage, EscrowSchema } from "#gen/escrow/v1/types_pb";
import type { Queryable } from "#platform/database/database";
import { fundsOf, isEmpty } from "./domain/escrow.ts";
import { isSettled } from "./domain/status.ts";

const pageSize = 10_000;

/** The id of one that is not over; a cancelled one is open while late money lies in it. */
export async function openEscrowOf(db: Queryable, partyId: string): Promise<string | undefined> {
  let after = 0n;
  for (;;) {
    const page = await db.sql<{ no: bigint; id: string; snapshot: Uint8Array }>`
      SELECT no, id, snapshot FROM escrow.escrow
      WHERE no > ${after} AND (buyer_id = ${partyId} OR seller_id = ${partyId})
      ORDER BY no LIMIT ${pageSize}`;
    const open = page.find(({ snapshot }) => !isOver(fromBinary(EscrowSchema, snapshot)));
    const last = page.at(-1);
    if (open !== undefined || last === undefined || page.length < pageSize) return open?.id;
    after = last.no;
  }
}

function isOver(escrow: Escrow): boolean {
  const cancelled = escrow.stage === Escrow_Stage.CANCELLED;
  return isSettled(escrow) || (cancelled && isEmpty(fundsOf(escrow)));
}
