/**
 * Accepting commands over HTTP, role api alone: token, validation, sealing of the texts, gathered
 * send, acknowledged by all replicas, 202. Closed loop of 64 clients in this process; the sketch
 * before it, under the same load.
 */
import { emptyPlace } from "../test/support/binary.ts";
import { startApp } from "../test/support/processes.ts";
import { createClient, proposal } from "./client.ts";
import { openRound, type Round, type Servers } from "./environment.ts";
import { type Figure, percentile } from "./measure.ts";
import { cpuMsOf } from "./process-figures.ts";

const clients = 64;
const warmupMs = 2_000;
const measuredMs = 8_000;

interface Accepted {
  readonly perS: number;
  readonly cpuUs: number;
  readonly p95Ms: number;
}

export async function acceptFigures(servers: Servers): Promise<Figure[]> {
  const round = await openRound(servers);
  try {
    const sketch = await acceptedBySketch(servers, round);
    const app = await acceptedByApp(round);
    return [
      {
        name: "accepting over HTTP",
        value: app.perS,
        unit: "requests/s",
        against: "goal",
        other: 4_000,
      },
      {
        name: "… by the product",
        value: app.perS,
        unit: "requests/s",
        against: "sketch (goal 0.43)",
        other: sketch.perS,
      },
      {
        name: "… CPU of the accepting process",
        value: app.cpuUs,
        unit: "µs/request",
        against: "sketch",
        other: sketch.cpuUs,
        lowerIsBetter: true,
      },
      {
        name: `… p95 with ${clients} clients`,
        value: app.p95Ms,
        unit: "ms",
        against: "sketch",
        other: sketch.p95Ms,
        lowerIsBetter: true,
      },
    ];
  } finally {
    await round.close();
  }
}

async function acceptedByApp(round: Round): Promise<Accepted> {
  const app = startApp(await emptyPlace(), ["--role=api", "--port", "0"], round.environment);
  try {
    return await accepted(await app.ready(), app.pid);
  } finally {
    await app.stop();
  }
}

async function acceptedBySketch({ brokers }: Servers, { environment }: Round): Promise<Accepted> {
  const topic = `${environment["KAFKA_TOPIC_PREFIX"]}escrow.commands.v1`;
  const program = new URL("http-sketch.ts", import.meta.url).pathname;
  const child = Bun.spawn(["bun", program, brokers, topic], { stdout: "pipe", stderr: "ignore" });
  try {
    const { value } = await child.stdout.getReader().read();
    const [, url] = /^ready (\S+)$/m.exec(new TextDecoder().decode(value)) ?? [];
    if (url === undefined) throw new Error("the sketch did not start");
    return await accepted(url, child.pid);
  } finally {
    child.kill();
    await child.exited;
  }
}

async function accepted(url: string, pid: number): Promise<Accepted> {
  const client = await createClient(url, "alice", "buyer");
  const post = async (): Promise<number> => {
    const begun = performance.now();
    const response = await client.post("/v1/escrows", proposal);
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
    return performance.now() - begun;
  };
  await loop(post, warmupMs);
  const cpuBefore = cpuMsOf(pid);
  const latencies = await loop(post, measuredMs);
  const cpuUs = ((cpuMsOf(pid) - cpuBefore) * 1_000) / latencies.length;
  const perS = (latencies.length / measuredMs) * 1_000;
  return { perS, cpuUs, p95Ms: percentile(latencies, 0.95) };
}

async function loop(once: () => Promise<number>, ms: number): Promise<number[]> {
  const until = performance.now() + ms;
  const latencies: number[] = [];
  const client = async (): Promise<void> => {
    while (performance.now() < until) latencies.push(await once());
  };
  await Promise.all(Array.from({ length: clients }, client));
  return latencies;
}
