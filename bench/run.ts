/**
 * All benches, one after the other, in one table with a ratio on each line. Servers come from
 * DATABASE_URL and KAFKA_BROKERS or are started here.
 *
 *     bun bench/run.ts [pipeline|accept|open-loop|webhooks|start …]
 */
import { cpus, loadavg, totalmem } from "node:os";
import { findServers, type Servers } from "./environment.ts";
import { acceptFigures } from "./http-accept.ts";
import { type Figure, table } from "./measure.ts";
import { openLoopFigures } from "./open-loop.ts";
import { pipelineFigures } from "./pipeline.ts";
import { startFigures } from "./start.ts";
import { webhookFigures } from "./webhooks.ts";

const rounds = 3;
const benches: Readonly<Record<string, (servers: Servers) => Promise<Figure[]>>> = {
  pipeline: (servers) => pipelineFigures(servers, rounds),
  accept: acceptFigures,
  "open-loop": (servers) => openLoopFigures(servers),
  webhooks: webhookFigures,
  start: (servers) => startFigures(servers, rounds),
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !(name in benches));
if (unknown !== undefined) {
  console.error(`no bench ${unknown}: there are ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
const [processor] = cpus();
const memoryGb = Math.round(totalmem() / 1e9);
console.log(
  `${cpus().length} × ${processor?.model ?? "?"}, ${memoryGb} GB, servers and load on it`,
);
console.log(`load before: ${loadavg()[0]?.toFixed(1)} (quiet: below 0.5)\n`);
const servers = await findServers();
const figures: Figure[] = [];
let failed = false;
for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  try {
    figures.push(...(await bench(servers)));
  } catch (error) {
    failed = true;
    console.error(`${name} failed:`, error);
  }
}
console.log(table(figures));
await servers.stop();
process.exit(failed ? 1 : 0);
