/**
 * Runs the compiled program in processes of its own, with nothing of this environment but a path to
 * the system's programs. What a test started ends by its process id, at the latest with the test run.
 */
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { forgetPlaces, type Place } from "./binary.ts";

export type Environment = Readonly<Record<string, string>>;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface AppProcess {
  readonly pid: number;
  /** The command line, for messages. */
  readonly name: string;
  stdout(): string;
  stderr(): string;
  /** The address it prints once it is ready; rejects when it ends before. */
  ready(withinMs?: number): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** kill -9, and gone. */
  kill(): Promise<void>;
  /** SIGTERM; how it ended and how long that took. */
  stop(): Promise<{ code: number; ms: number }>;
  readonly exited: Promise<number>;
}

const running = new Map<number, AppProcess>();

/** After each file's tests: processes that are still there were left by a failure. */
export async function killAll(): Promise<void> {
  await Promise.all([...running.values()].map((started) => started.kill()));
  await forgetPlaces();
}

const systemPath = "/usr/local/bin:/usr/bin:/bin";
let started = 0;

export function startApp(
  { folder, program }: Place,
  args: readonly string[],
  env: Environment = {},
): AppProcess {
  started += 1;
  const [out, err] = [`${started}.out`, `${started}.err`].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  const child = Bun.spawn([program, ...args], {
    cwd: folder,
    env: { PATH: systemPath, HOME: folder, ...env },
    stdin: "ignore",
    stdout: openSync(out, "a"),
    stderr: openSync(err, "a"),
  });
  const app: AppProcess = {
    pid: child.pid,
    name: `app ${args.join(" ")}`,
    stdout: () => readFileSync(out, "utf8"),
    stderr: () => readFileSync(err, "utf8"),
    ready: (withinMs = 30_000) => untilReady(app, () => child.exitCode, withinMs),
    signal: (name) => void (child.exitCode === null && child.kill(name)),
    async kill() {
      app.signal("SIGKILL");
      await child.exited;
    },
    async stop() {
      const begun = performance.now();
      app.signal("SIGTERM");
      const code = await child.exited;
      return { code, ms: performance.now() - begun };
    },
    exited: child.exited.finally(() => running.delete(child.pid)),
  };
  running.set(child.pid, app);
  return app;
}

async function untilReady(
  app: AppProcess,
  exitCode: () => number | null,
  withinMs: number,
): Promise<string> {
  const until = performance.now() + withinMs;
  for (;;) {
    const url = /^ready (\S+)$/m.exec(app.stdout())?.[1];
    if (url !== undefined) return url;
    if (exitCode() !== null) throw new Error(`${app.name} ended with ${exitCode()}\n${told(app)}`);
    if (performance.now() > until) throw new Error(`${app.name} is not ready\n${told(app)}`);
    await Bun.sleep(20);
  }
}

function told(app: AppProcess): string {
  return `${app.stdout()}${app.stderr()}`.split("\n").slice(-30).join("\n");
}

/** Runs a command to its end. */
export async function runApp(
  place: Place,
  args: readonly string[],
  env: Environment = {},
): Promise<Ended> {
  const app = startApp(place, args, env);
  const late = setTimeout(() => app.signal("SIGKILL"), 90_000);
  const code = await app.exited;
  clearTimeout(late);
  return { code, stdout: app.stdout(), stderr: app.stderr() };
}

export interface Verdict {
  readonly id: string;
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}

/** `app verify --json`. */
export async function verify(
  place: Place,
  env: Environment = {},
): Promise<{ code: number; ok: boolean; checked: number; broken: Verdict[] }> {
  const { code, stdout, stderr } = await runApp(place, ["verify", "--json"], env);
  if (stdout === "") throw new Error(`verify ended with ${code}: ${stderr}`);
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: readonly Verdict[] };
  return { code, ok, checked: checks.length, broken: checks.filter((check) => !check.ok) };
}
