/**
 * Real servers for tests and benches, and a container engine. As a program it runs a command with
 * DATABASE_URL, KAFKA_BROKERS and DOCKER_HOST set, or without a command prints them and stays until
 * it is told to stop:
 *
 *     bun scripts/services.ts [--brokers 3] [--only postgres|kafka|engine] [-- command …]
 *
 * Servers named by the environment are used as they are. What cannot be had is said loudly, and is
 * a failure where CI=true, but for the engine.
 */
import { startEngine } from "./backing/engine.ts";
import { startKafka } from "./backing/kafka.ts";
import { startPostgres } from "./backing/postgres.ts";

export { type Kafka, startKafka } from "./backing/kafka.ts";
export { startPostgres } from "./backing/postgres.ts";

type Only = (typeof names)[number];
const names = ["postgres", "kafka", "engine"] as const;

interface Services {
  readonly env: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
  stop(): Promise<void>;
}

export async function startServices({
  brokers = 1,
  only,
}: {
  readonly brokers?: number;
  readonly only?: readonly Only[] | undefined;
} = {}): Promise<Services> {
  const env: Record<string, string> = {};
  const missing: string[] = [];
  const stops: (() => Promise<void>)[] = [];
  const provide = async (name: string, what: string, start: () => Promise<Started | undefined>) => {
    const given = process.env[name];
    const started = given ? { value: given, stop: async () => {} } : await start();
    if (started === undefined) {
      missing.push(what);
      return;
    }
    env[name] = started.value;
    stops.push(started.stop);
  };
  const stop = async () => {
    await Promise.all(stops.map((end) => end()));
  };
  const wants = (name: Only) => only === undefined || only.includes(name);
  const wanted = [
    ...(wants("postgres") ? [provide("DATABASE_URL", "PostgreSQL", postgres)] : []),
    ...(wants("kafka") ? [provide("KAFKA_BROKERS", "Kafka", () => kafka(brokers))] : []),
    ...(wants("engine") ? [provide("DOCKER_HOST", "container engine", engine)] : []),
  ];
  const failed = (await Promise.allSettled(wanted)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") {
    await stop();
    throw failed.reason;
  }
  return { env, missing, stop };
}

interface Started {
  readonly value: string;
  readonly stop: () => Promise<void>;
}

async function postgres(): Promise<Started | undefined> {
  const server = await startPostgres();
  return server && { value: server.url, stop: server.stop };
}

async function kafka(brokers: number): Promise<Started | undefined> {
  const cluster = await startKafka({ brokers });
  return cluster && { value: cluster.brokers, stop: cluster.stop };
}

async function engine(): Promise<Started | undefined> {
  const started = await startEngine();
  return started && { value: started.host, stop: started.stop };
}

const remedies: Readonly<Record<string, string>> = {
  PostgreSQL: "install it, or Docker, or set DATABASE_URL",
  Kafka: "install a JDK (17 or newer) and Maven, or Docker, or set KAFKA_BROKERS",
  "container engine": "install Docker, or set DOCKER_HOST",
};

function shout(missing: readonly string[]): void {
  for (const name of missing) {
    console.error(`!!! NOT TESTED: everything that needs a real ${name} (${remedies[name]}).`);
  }
}

/** An engine takes rights over the machine that not every CI gives; what is missing is said loudly. */
const isDue = (name: string) => name !== "container engine";

/** By hand: bun itself takes a first `--`, and everything after the options is the command's. */
function parse(args: readonly string[]): { brokers: number; only?: Only[]; command: string[] } {
  const [first, second, ...rest] = args;
  if (first === "--brokers") return { ...parse(rest), brokers: Number(second) };
  if (first === "--only") {
    const only = names.find((name) => name === second);
    if (only === undefined) throw new Error(`--only ${names.join("|")}`);
    return { ...parse(rest), only: [only] };
  }
  return { brokers: 1, command: args.slice(first === "--" ? 1 : 0) };
}

async function main(): Promise<number> {
  const { brokers, only, command } = parse(process.argv.slice(2));
  let interrupt = (_code: number) => {};
  const interrupted = new Promise<number>((resolve) => {
    interrupt = resolve;
  });
  process.on("SIGINT", () => interrupt(130));
  process.on("SIGTERM", () => interrupt(143));
  const starting = startServices({ brokers, only });
  const services = await Promise.race([starting, interrupted]);
  // Servers that are still starting go with this process.
  if (typeof services === "number") return services;
  try {
    if (services.missing.some(isDue) && process.env.CI === "true") return 1;
    return await serve(services, command, interrupted);
  } finally {
    await services.stop();
    // Last, below the tests' own output: nobody shall take this run for a whole one.
    shout(services.missing);
  }
}

async function serve(
  { env }: Services,
  command: readonly string[],
  interrupted: Promise<number>,
): Promise<number> {
  if (command.length === 0) {
    console.log(`SERVICES_PID=${process.pid}`);
    for (const [name, value] of Object.entries(env)) console.log(`${name}=${value}`);
    // With nothing but a signal to wait for Bun would turn its loop without a pause.
    const awake = setInterval(() => {}, 3_600_000);
    await interrupted;
    clearInterval(awake);
    return 0;
  }
  const child = Bun.spawn([...command], {
    env: { ...process.env, ...env },
    stdio: ["inherit", "inherit", "inherit"],
  });
  const code = await Promise.race([child.exited, interrupted]);
  child.kill("SIGTERM");
  await child.exited;
  return code;
}

if (import.meta.main) process.exit(await main());
