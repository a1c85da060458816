/** Short words for tests of payments: open a deal, pay it, look at what became of it. */
import { expect } from "bun:test";
import type { Database } from "#platform/database/database";
import {
  createPaymentsWorld,
  type Deal,
  openPayment,
  openPaymentsDatabase,
  type PaymentsWorld,
} from "./payments.ts";

export interface OperationNow {
  readonly state: string;
  readonly attempt: number;
  readonly tries: number;
  readonly code: string;
}

export interface Deals {
  /** A payment the provider knows and nobody has paid. */
  open(deal?: Deal): Promise<string>;
  /** The buyer's bank acts; nothing is delivered yet. */
  pay(escrowId: string, body?: object): Promise<void>;
  funded(deal?: Deal): Promise<string>;
  operation(operationId: string): Promise<OperationNow | undefined>;
  /** Transfers in the provider's own book. */
  transfersOf(escrowId: string): Promise<bigint>;
}

/** A payments module on a database of its own, which whoever asked closes. */
export async function openDeals(): Promise<{ db: Database; world: PaymentsWorld; deals: Deals }> {
  const db = await openPaymentsDatabase();
  const world = createPaymentsWorld(db);
  return { db, world, deals: createDeals(world, db) };
}

export function createDeals(world: PaymentsWorld, db: Database): Deals {
  let opened = 0;
  async function open(deal: Deal = {}): Promise<string> {
    opened += 1;
    const escrowId = `esc_${opened}`;
    await world.handle(openPayment(escrowId, deal));
    await world.settle();
    return escrowId;
  }
  async function pay(escrowId: string, body: object = {}): Promise<void> {
    const [row] = await db.sql<{ payment_id: string }>`
      SELECT payment_id FROM payments.payment WHERE escrow_id = ${escrowId}`;
    const path = `/sandbox/payments/${row?.payment_id}/pay`;
    const answer = await world.call("POST", path, { as: "root", roles: ["admin"], body });
    expect(answer.status).toBe(202);
  }
  return {
    open,
    pay,
    funded: async (deal = {}) => {
      const escrowId = await open(deal);
      await pay(escrowId);
      await world.settle();
      return escrowId;
    },
    operation: async (operationId) => {
      const [row] = await db.sql<OperationNow>`
        SELECT state, attempt, tries, code FROM payments.operation
        WHERE operation_id = ${operationId}`;
      return row;
    },
    transfersOf: async (escrowId) => {
      const [row] = await db.sql<{ count: bigint }>`
        SELECT count(*) AS count FROM sandbox.object
        WHERE group_id = ${escrowId} AND kind = 'transfer' AND status <> 'failed'`;
      return row?.count ?? 0n;
    },
  };
}
