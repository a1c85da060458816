/** Short words for flows in which money is taken back: the bank acts, and what became of it. */
import type { Answer, Client, TestApp } from "./app.ts";
import { fundedEscrow, type Sale } from "./sale.ts";

export interface DisputedSale extends Sale {
  readonly paymentId: string;
  readonly root: Client;
  /** The bank's dispute; returns its id. */
  dispute(body?: object): Promise<string>;
  close(disputeId: string, outcome: string): Promise<void>;
  view(): Promise<Answer["body"]>;
  balances(): Promise<Record<string, string>>;
  disputes(): Promise<Answer["body"][]>;
}

export async function fundedSale(app: TestApp, changes: object = {}): Promise<DisputedSale> {
  const sale = await fundedEscrow(app, changes);
  const { alice, escrowId } = sale;
  const root = app.as("root", "admin");
  const payment = await alice.get(`/v1/escrows/${escrowId}/payment`);
  const { paymentId } = payment.body;
  const played = async (path: string, body: object) => {
    const answer = await root.post(path, body);
    if (answer.status !== 202) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    await app.settle();
    return answer.body;
  };
  return {
    ...sale,
    paymentId,
    root,
    dispute: async (body = {}) =>
      (await played(`/sandbox/payments/${paymentId}/dispute`, body)).disputeId,
    close: async (disputeId, outcome) => {
      await played(`/sandbox/disputes/${disputeId}/close`, { outcome });
    },
    view: async () => (await alice.get(`/v1/escrows/${escrowId}`)).body,
    balances: async () => (await root.get(`/v1/escrows/${escrowId}/ledger`)).body.balances,
    disputes: async () => (await root.get(`/v1/escrows/${escrowId}/disputes`)).body.items,
  };
}

export async function releasedSale(app: TestApp, changes: object = {}): Promise<DisputedSale> {
  const sale = await fundedSale(app, changes);
  await sale.alice.post(`/v1/escrows/${sale.escrowId}/release`);
  await app.settle();
  return sale;
}
