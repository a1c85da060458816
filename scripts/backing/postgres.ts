/**
 * A real PostgreSQL on a free port of 127.0.0.1, in a folder of its own that goes with it. It
 * syncs as in production, so that tests of durability mean something.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, run } from "../process.ts";
import { docker } from "./docker.ts";
import { hasDocker, postgresPrograms } from "./install.ts";
import { forget, freePorts, type Launch, launch, ownFolder } from "./server.ts";

export interface Postgres {
  /** The superuser's, to the database `postgres`: tests make their own databases. */
  readonly url: string;
  pid(): number;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** On the same port and data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** `undefined` where no PostgreSQL can be had. */
export async function startPostgres(): Promise<Postgres | undefined> {
  const programs = await postgresPrograms();
  if (programs === undefined && !(await hasDocker())) return undefined;
  const folder = await ownFolder("postgres");
  const [port = 0] = await freePorts(1);
  const plan =
    programs === undefined ? inDocker(folder, port) : await native(programs, folder, port);
  let server = await launch(plan);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    pid: () => server.pid,
    async kill(signal = "SIGKILL") {
      server.signal(signal);
      await server.gone();
    },
    async restart() {
      await server.stop();
      writeFileSync(plan.log, "");
      server = await launch(plan);
    },
    async stop() {
      await server.stop();
      forget(folder);
    },
  };
}

const settings = {
  wal_level: "logical",
  max_connections: "300",
  max_wal_senders: "4",
  max_replication_slots: "4",
  shared_buffers: "256MB",
  log_line_prefix: "%m [%p] %a ",
};

const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);

async function native(programs: string, folder: string, port: number): Promise<Launch> {
  const as = await unprivileged(folder);
  const data = join(folder, "data");
  const initdb = [join(programs, "initdb"), "-D", data, "-U", "postgres", "-A", "trust"];
  await run([...as, ...initdb, "-E", "UTF8", "--locale=C", "--no-sync"], { cwd: folder });
  const postgres = [join(programs, "postgres"), "-D", data, "-p", String(port), "-k", folder];
  return {
    command: [...as, ...postgres, "-c", "listen_addresses=127.0.0.1", ...flags],
    folder,
    ...common(folder),
  };
}

/** PostgreSQL refuses to run as root. */
async function unprivileged(folder: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  for (const user of ["postgres", "nobody"]) {
    const { code, output } = await capture(["id", "-g", user]);
    if (code !== 0) continue;
    await run(["chown", "-R", `${user}:${output}`, folder]);
    return ["setpriv", `--reuid=${user}`, `--regid=${output}`, "--clear-groups"];
  }
  throw new Error("PostgreSQL refuses to run as root, and there is no user to run it as");
}

function inDocker(folder: string, port: number): Launch {
  const image = "postgres:17";
  const env = { POSTGRES_HOST_AUTH_METHOD: "trust" };
  const args = ["postgres", "-p", String(port), "-c", "listen_addresses=127.0.0.1", ...flags];
  return { command: docker({ image, folder, env, args }), folder, ...common(folder) };
}

function common(folder: string): Pick<Launch, "log" | "ready" | "stopSignal"> {
  return {
    log: join(folder, "postgres.log"),
    // The image starts a first server for its set-up, which listens on no port.
    ready: (log) => /listening on IPv4[\s\S]*ready to accept connections/.test(log),
    stopSignal: "SIGINT",
  };
}
