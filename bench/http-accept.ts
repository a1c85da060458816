/**
 * Accepting commands over HTTP, role api alone: token, validation, sealing of the texts, gathered
 * send, acknowledged by all replicas, 202. Closed loop of 64 clients in this process.
 */
import { emptyPlace } from "../test/support/binary.ts";
import { startApp } from "../test/support/processes.ts";
import { createClient, proposal } from "./client.ts";
import { openRound, type Servers } from "./environment.ts";
import { type Figure, percentile } from "./measure.ts";
import { cpuMsOf } from "./process-figures.ts";

const clients = 64;
const warmupMs = 2_000;
const measuredMs = 8_000;

export async function acceptFigures(servers: Servers): Promise<Figure[]> {
  const round = await openRound(servers);
  const app = startApp(await emptyPlace(), ["--role=api", "--port", "0"], round.environment);
  try {
    const client = await createClient(await app.ready(), "alice", "buyer");
    const post = async (): Promise<number> => {
      const begun = performance.now();
      const response = await client.post("/v1/escrows", proposal);
      if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
      return performance.now() - begun;
    };
    await loop(post, warmupMs);
    const cpuBefore = cpuMsOf(app.pid);
    const latencies = await loop(post, measuredMs);
    const cpuUs = (cpuMsOf(app.pid) - cpuBefore) * 1_000;
    return [
      {
        name: "accepting over HTTP",
        value: (latencies.length / measuredMs) * 1_000,
        unit: "requests/s",
        against: "goal",
        other: 4_000,
      },
      {
        name: "… CPU of the accepting process",
        value: cpuUs / latencies.length,
        unit: "µs/request",
        against: "goal on one core",
        other: 250,
        lowerIsBetter: true,
      },
      {
        name: `… p95 with ${clients} clients`,
        value: percentile(latencies, 0.95),
        unit: "ms",
        against: "for orientation",
        other: 50,
        lowerIsBetter: true,
      },
    ];
  } finally {
    await app.stop();
    await round.close();
  }
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
