/**
 * All roles, shared by three processes, under a steady load over HTTP: 1,000 creations a second leave when they
 * are due, whether or not the ones before were answered, so that a slow answer counts in full. Beside
 * them queries, and whole sales up to the provider's webhook.
 */
import { emptyPlace } from "../test/support/binary.ts";
import { startApp } from "../test/support/processes.ts";
import { type Client, createClient, proposal } from "./client.ts";
import { openRound, type Round, type Servers } from "./environment.ts";
import { type Figure, percentile } from "./measure.ts";
import { type Watch, watchTopics } from "./watch.ts";

const warmupMs = 3_000;
const measuredMs = 10_000;
const tickMs = 5;
const salesPerS = 4;
const queriesPerS = 50;
/** What has no event by then after the load has ended counts as missing. */
const graceMs = 3_000;

interface Latencies {
  readonly command: readonly number[];
  readonly query: readonly number[];
  readonly webhook: readonly number[];
  readonly missing: number;
}

export async function openLoopFigures(servers: Servers, perS = 1_000): Promise<Figure[]> {
  const { command, query, webhook, missing } = await openLoop(servers, perS);
  if (missing > 0) console.error(`${missing} commands had no event when the bench ended`);
  const p95 = (name: string, values: readonly number[], other: number): Figure => ({
    name,
    value: percentile(values, 0.95),
    unit: "ms",
    against: "goal",
    other,
    lowerIsBetter: true,
  });
  return [
    p95(`command → event, p95 at ${perS}/s`, command, 100),
    p95(`query, p95 beside it (${queriesPerS}/s)`, query, 50),
    p95(`webhook → event, p95 beside it (${salesPerS}/s)`, webhook, 500),
  ];
}

async function openLoop(servers: Servers, perS: number): Promise<Latencies> {
  const round = await openRound(servers);
  const place = await emptyPlace();
  const launch = (roles: string) =>
    startApp(place, [`--role=${roles}`, "--port", "0"], round.environment);
  const front = launch("api");
  const others = ["escrow,payments,outbox", "projections"].map(launch);
  try {
    const [url] = await Promise.all([front, ...others].map((app) => app.ready()));
    if (url === undefined) throw new Error("no address");
    return await underLoad(round, url, perS);
  } finally {
    for (const app of [front, ...others]) await app.stop();
    await round.close();
  }
}

async function underLoad(round: Round, url: string, perS: number): Promise<Latencies> {
  const alice = await createClient(url, "alice", "buyer");
  const bob = await createClient(url, "bob", "seller");
  const watch = await watchTopics(round);
  try {
    const begun = performance.now();
    const sent = new Map<string, number>();
    const paid = new Map<string, number>();
    const query: number[] = [];
    const measuring = (): boolean => performance.now() - begun > warmupMs;
    await Promise.all([
      every(perS, async (dueAt) => {
        const { commandId } = await answerOf(alice.post("/v1/escrows", proposal));
        if (measuring()) sent.set(commandId, dueAt);
      }),
      every(queriesPerS, async (dueAt) => {
        const escrowId = watch.created[Math.floor(Math.random() * watch.created.length)];
        if (escrowId === undefined) return;
        // One that the projection has not caught up with counts with the time it took to say so.
        await (await alice.get(`/v1/escrows/${escrowId}`)).arrayBuffer();
        if (measuring()) query.push(performance.now() - dueAt);
      }),
      every(salesPerS, () => sell({ alice, bob, watch, paid })),
    ]);
    await Bun.sleep(graceMs);
    const command = [...sent].flatMap(([id, at]) => since(at, watch.eventAt.get(id)));
    const webhook = await webhookLatencies(round, watch, paid);
    return { command, query, webhook, missing: sent.size - command.length };
  } finally {
    await watch.stop();
  }
}

/** Starts `work` at the rate, each with the instant it was due, until the time is over. */
async function every(perS: number, work: (dueAt: number) => Promise<void>): Promise<void> {
  const begun = performance.now();
  const all: Promise<void>[] = [];
  for (;;) {
    const elapsed = Math.min(performance.now() - begun, warmupMs + measuredMs);
    while (all.length < (elapsed / 1_000) * perS) {
      all.push(work(begun + (all.length / perS) * 1_000));
    }
    if (elapsed >= warmupMs + measuredMs) break;
    await Bun.sleep(tickMs);
  }
  await Promise.all(all);
}

interface Sale {
  readonly alice: Client;
  readonly bob: Client;
  readonly watch: Watch;
  readonly paid: Map<string, number>;
}

/** From the proposal to the buyer's payment; `paid` notes when her bank was told. */
async function sell({ alice, bob, watch, paid }: Sale): Promise<void> {
  const { escrowId } = await answerOf(alice.post("/v1/escrows", proposal));
  const termsHash = await until(() => watch.termsHashes.get(escrowId));
  await answerOf(bob.post(`/v1/escrows/${escrowId}/accept`, { termsHash }));
  const paymentId = await until(async () => {
    const response = await alice.get(`/v1/escrows/${escrowId}/payment`);
    const body = (await response.json()) as { paymentId?: string };
    return response.ok ? body.paymentId : undefined;
  });
  await until(async () => {
    const at = performance.now();
    const response = await alice.post(`/sandbox/payments/${paymentId}/pay`, {});
    await response.arrayBuffer();
    if (!response.ok) return undefined;
    paid.set(escrowId, at);
    return true;
  });
}

async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await Bun.sleep(50);
  }
  throw new Error("a sale of the load did not go on");
}

/** From the first webhook after the payment, readable on its topic, to the event that says it is held. */
async function webhookLatencies(
  { databases }: Round,
  { webhooks, heldAt }: Watch,
  paid: ReadonlyMap<string, number>,
): Promise<number[]> {
  const objects = await databases.payments.sql<{ object_id: string; escrow_id: string }>`
    SELECT object_id, escrow_id FROM payments.provider_object WHERE kind = 'payment'`;
  const escrowOf = new Map(objects.map((row) => [row.object_id, row.escrow_id]));
  return [...paid].flatMap(([escrowId, paidAt]) => {
    const webhook = webhooks.find(
      ({ objectId, at }) => escrowOf.get(objectId) === escrowId && at > paidAt,
    );
    return webhook ? since(webhook.at, heldAt.get(escrowId)) : [];
  });
}

function since(from: number, to: number | undefined): number[] {
  return to === undefined ? [] : [Math.max(0, to - from)];
}

interface Answer {
  readonly commandId: string;
  readonly escrowId: string;
}

async function answerOf(request: Promise<Response>): Promise<Answer> {
  const response = await request;
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response.json() as Promise<Answer>;
}
