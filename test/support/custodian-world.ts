/**
 * The whole system with a simulated custodian and a screening that says what a test wants: both are
 * reached over HTTP, as real ones are.
 */

import {
  type CustodianSimulator,
  mine,
  receive,
  startCustodianSimulator,
} from "../../src/simulators/custodian/index.ts";
import { type Client, startAppWith, type TestApp } from "./app.ts";
import {
  baseChain,
  buyersWallet,
  custodianCredentials,
  custodianWebhookSecrets,
  walletProof,
} from "./custodian-harness.ts";
import { createEscrow, type Sale } from "./sale.ts";

interface Screened {
  readonly party: string;
  readonly purpose: string;
  readonly address: string;
}

export interface ScreeningServer {
  readonly url: string;
  readonly asked: Screened[];
  /** Nobody answers. */
  down: boolean;
  readonly sanctioned: Set<string>;
  readonly scores: Map<string, number>;
  stop(): Promise<void>;
}

export interface CustodianWorld {
  readonly app: TestApp;
  readonly simulator: CustodianSimulator;
  readonly screening: ScreeningServer;
  /** Blocks are mined, webhooks sent, and all that follows is done; several times over. */
  goOn(blocks?: number): Promise<void>;
  stop(): Promise<void>;
}

export const confirmations = 12;

function startScreening(): ScreeningServer {
  const asked: Screened[] = [];
  const sanctioned = new Set<string>();
  const scores = new Map<string, number>();
  const server = Bun.serve({
    port: 0,
    fetch: async (request) => {
      if (screening.down) return new Response("", { status: 503 });
      const question = (await request.json()) as Screened;
      asked.push(question);
      const { party } = question;
      return Response.json({
        verdict: sanctioned.has(party) ? "sanctioned" : "clear",
        score: scores.get(party) ?? 0,
        source: "lists of tests",
        listVersion: "2030-01",
      });
    },
  });
  const screening: ScreeningServer = {
    url: `http://127.0.0.1:${server.port}`,
    asked,
    down: false,
    sanctioned,
    scores,
    stop: () => server.stop(true),
  };
  return screening;
}

export async function openCustodianWorld(): Promise<CustodianWorld> {
  const simulator = startCustodianSimulator({ credentials: custodianCredentials });
  const screening = startScreening();
  const app = await startAppWith({
    CUSTODIAN_URL: simulator.url,
    CUSTODIAN_API_KEY: `${custodianCredentials.keyId}:${custodianCredentials.secret}`,
    CUSTODIAN_WEBHOOK_SECRET: custodianWebhookSecrets[0],
    CUSTODIAN_CHAIN: baseChain,
    CUSTODIAN_CONFIRMATIONS: String(confirmations),
    SCREENING_URL: screening.url,
    SCREENING_API_KEY: "key of tests",
  });
  simulator.aim({ url: `${app.url}/v1/webhooks/custodian`, secrets: custodianWebhookSecrets });
  const goOn = async (blocks = confirmations) => {
    mine(simulator.book, blocks);
    await simulator.flush();
    await app.settle();
  };
  return {
    app,
    simulator,
    screening,
    goOn,
    stop: async () => {
      await app.stop();
      await simulator.stop();
      await screening.stop();
    },
  };
}

export interface UsdcSale extends Sale {
  /** The custodian's id of the deposit address. */
  readonly addressId: string;
}

/** Alice buys from Bob for 250 USDC, 257.55 with her fee; Bob can be paid. */
export async function acceptedUsdcSale(
  { app, simulator }: CustodianWorld,
  changes: object = {},
): Promise<UsdcSale> {
  const sale = await createEscrow(app, {
    amount: { amount: "250000000", currency: "USDC" },
    terms: { provider: "custodian" },
    ...changes,
  });
  const { escrowId, termsHash, bob } = sale;
  const proof = { provider: "custodian", ...(await walletProof("bob", "payouts")) };
  const method = await bob.post("/v1/parties/bob/payout-methods", proof);
  if (method.status !== 201) throw new Error(`no payout method: ${JSON.stringify(method.body)}`);
  const accepted = await bob.post(`/v1/escrows/${escrowId}/accept`, { termsHash });
  if (accepted.status !== 200) throw new Error(`not accepted: ${JSON.stringify(accepted.body)}`);
  await app.settle();
  const addressId = [...simulator.book.addresses.values()].find(
    ({ group }) => group === escrowId,
  )?.id;
  if (addressId === undefined) throw new Error("no deposit address");
  return { ...sale, addressId };
}

export async function fundedUsdcSale(world: CustodianWorld): Promise<UsdcSale> {
  const sale = await acceptedUsdcSale(world);
  send(world, sale, 257_550_000n);
  await world.goOn();
  return sale;
}

export function send(
  { simulator }: CustodianWorld,
  { addressId }: UsdcSale,
  amount: bigint,
  token?: string,
): void {
  const other = token === undefined ? {} : { token };
  receive(simulator.book, addressId, { from: buyersWallet, amount, ...other });
}

export async function stateOf({ alice, escrowId }: Sale): Promise<string> {
  return (await alice.get(`/v1/escrows/${escrowId}`)).body.state;
}

/** What is not zero of the escrow's funds. */
export async function fundsOf({ alice, escrowId }: Sale): Promise<Record<string, string>> {
  const { funds } = (await alice.get(`/v1/escrows/${escrowId}`)).body;
  return Object.fromEntries(
    Object.entries(funds as Record<string, string>).filter(([, amount]) => amount !== "0"),
  );
}

export async function registerRefundAddress(alice: Client, name = "alice"): Promise<void> {
  const proof = await walletProof("alice", "refunds", name);
  const answer = await alice.post("/v1/parties/alice/refund-addresses", proof);
  if (answer.status !== 201) throw new Error(`not taken: ${JSON.stringify(answer.body)}`);
}
