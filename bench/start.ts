/**
 * The compiled program alone: how soon it is ready on a fresh folder and on one it has used, what it
 * weighs in memory and on disk; and one role on servers.
 */
import { statSync } from "node:fs";
import { emptyPlace } from "../test/support/binary.ts";
import { startApp } from "../test/support/processes.ts";
import { openRound, type Servers } from "./environment.ts";
import { type Figure, median } from "./measure.ts";
import { rssMbOf } from "./process-figures.ts";

/** Starting leaves garbage that is given back soon; the process is looked at after that. */
const restMs = 3_000;

interface Started {
  readonly ms: number;
  readonly rssMb: number;
}

export async function startFigures(servers: Servers, rounds: number): Promise<Figure[]> {
  const fresh: Started[] = [];
  const again: Started[] = [];
  let binaryMb = 0;
  for (let round = 0; round < rounds; round += 1) {
    const place = await emptyPlace();
    binaryMb = statSync(place.program).size / 1e6;
    fresh.push(await started(place, ["--port", "0"]));
    again.push(await started(place, ["--port", "0"]));
  }
  const role = await startedRole(servers);
  const ms = (all: readonly Started[]) => median(all.map((one) => one.ms));
  const rss = (all: readonly Started[]) => median(all.map((one) => one.rssMb));
  const line = (name: string, value: number, unit: string, other: number): Figure => ({
    name,
    value,
    unit,
    against: "goal",
    other,
    lowerIsBetter: true,
  });
  return [
    line("ready on a fresh folder", ms(fresh), "ms", 1_000),
    line("ready on a used folder", ms(again), "ms", 500),
    line("memory, first embedded start", rss(fresh), "MB", 650),
    line("memory, embedded restart", rss(again), "MB", 400),
    line("memory, role escrow on servers", role.rssMb, "MB", 150),
    line("the binary", binaryMb, "MB", 140),
  ];
}

async function startedRole(servers: Servers): Promise<Started> {
  const round = await openRound(servers);
  try {
    return await started(await emptyPlace(), ["--role=escrow", "--port", "0"], round.environment);
  } finally {
    await round.close();
  }
}

type Place = Awaited<ReturnType<typeof emptyPlace>>;

async function started(
  place: Place,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const begun = performance.now();
  const app = startApp(place, args, environment);
  await app.ready();
  const ms = performance.now() - begun;
  await Bun.sleep(restMs);
  const rssMb = rssMbOf(app.pid);
  await app.stop();
  return { ms, rssMb };
}
