/**
 * A server process of ours: started in a folder of its own, watched until it is ready, stopped by
 * its process id. Nothing outlives its owner: an owner that ends takes its servers along, and what
 * a killed owner left behind is stopped by the next one.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture } from "../process.ts";

const PREFIX = "app-backing-";

export interface Launch {
  readonly command: readonly string[];
  readonly folder: string;
  readonly log: string;
  /** Asked again and again until true; a process that ends meanwhile is a failure. */
  readonly ready: (log: string) => boolean | Promise<boolean>;
  /** What ends this server in good order. */
  readonly stopSignal: NodeJS.Signals;
}

export interface RunningServer {
  readonly pid: number;
  alive(): boolean;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process is gone; killed when it takes longer than 20 s. */
  stop(): Promise<void>;
  gone(): Promise<void>;
}

const running = new Set<RunningServer>();
const folders = new Set<string>();
process.on("exit", () => {
  for (const server of running) server.signal("SIGKILL");
  for (const folder of folders) remove(folder);
});

/** A folder that goes with this process; clears away what dead owners left. */
export async function ownFolder(name: string): Promise<string> {
  await sweep();
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${name}-`));
  await writeFile(join(folder, "owner"), String(process.pid));
  folders.add(folder);
  return folder;
}

export function forget(folder: string): void {
  remove(folder);
  folders.delete(folder);
}

/** A container engine leaves things mounted in its folder; the deepest go first. */
function remove(folder: string): void {
  const mounts = existsSync("/proc/mounts") ? readFileSync("/proc/mounts", "utf8").split("\n") : [];
  const own = mounts.map((line) => line.split(" ")[1] ?? "").filter((at) => at.startsWith(folder));
  for (const at of own.sort().reverse()) spawnSync("umount", ["--lazy", at]);
  rmSync(folder, { recursive: true, force: true });
}

export async function launch(options: Launch): Promise<RunningServer> {
  const { command, folder, log } = options;
  const [program = "", ...args] = command;
  const output = openSync(log, "a");
  // A session of its own: Ctrl-C reaches the owner only, which stops its servers in order.
  const child = spawn(program, args, {
    cwd: folder,
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const server = watch(child, options.stopSignal);
  running.add(server);
  try {
    await untilReady(server, options);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function watch(child: ChildProcess, stopSignal: NodeJS.Signals): RunningServer {
  let dead = false;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  }).then(() => {
    dead = true;
    running.delete(server);
  });
  child.unref();
  const server: RunningServer = {
    pid: child.pid ?? 0,
    alive: () => !dead,
    signal(name) {
      if (!dead) child.kill(name);
    },
    gone: () => ended,
    async stop() {
      server.signal(stopSignal);
      const late = setTimeout(() => server.signal("SIGKILL"), 20_000);
      await ended;
      clearTimeout(late);
    },
  };
  return server;
}

/** No measure: a broker that starts again beside a fleet under load was seen to take 90 s. */
const PATIENCE_MS = 240_000;

async function untilReady(server: RunningServer, { command, log, ready }: Launch): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    const text = readFileSync(log, "utf8");
    if (!server.alive()) throw new Error(`${command[0]} ended at once\n${tail(text)}`);
    if (await ready(text)) return;
    await Bun.sleep(50);
  }
  throw new Error(
    `${command[0]} was not ready within ${PATIENCE_MS / 1_000} s\n${tail(readFileSync(log, "utf8"))}`,
  );
}

export function tail(text: string, lines = 30): string {
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

export async function freePorts(count: number): Promise<number[]> {
  // All at once, so that no port is handed out twice.
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name);
    const owner = Number(
      await Bun.file(join(folder, "owner"))
        .text()
        .catch(() => "0"),
    );
    if (owner === 0 || owner === process.pid || isAlive(owner)) continue;
    await killThoseOf(folder);
    remove(folder);
  }
}

/** By the folder in their command line: a process id alone may have been given to a stranger. */
async function killThoseOf(folder: string): Promise<void> {
  const { output } = await capture(["ps", "-eo", "pid=,args="]);
  for (const line of output.split("\n")) {
    const pid = Number.parseInt(line, 10);
    if (line.includes(folder) && pid !== process.pid && isAlive(pid)) process.kill(pid, "SIGKILL");
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
