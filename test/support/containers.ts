/**
 * The image as an operator runs it: built from the Dockerfile, each container with a read-only root
 * on the machine's own addresses. What a test made on the engine goes with `removeContainers`.
 */
import { randomBytes } from "node:crypto";
import { tail } from "../../scripts/backing/server.ts";
import { layOut } from "../../scripts/image.ts";
import { capture, root, run } from "../../scripts/process.ts";
import type { Environment } from "./processes.ts";

export interface Container {
  readonly id: string;
  /** Once the engine's own health check calls it healthy. */
  healthy(): Promise<void>;
  /** `/app …` inside it. */
  exec(...args: readonly string[]): Promise<{ code: number; output: string }>;
  logs(): Promise<string>;
  kill(): Promise<void>;
  /** `docker stop`, with the engine's kill far away. */
  stop(): Promise<{ code: number; ms: number }>;
}

export interface RunOptions {
  readonly args?: readonly string[];
  readonly env: Environment;
  /** A volume's name, for /data. */
  readonly volume?: string;
}

/** So that what a killed run left is told from what another run is using. */
const mark = `app-test-${randomBytes(4).toString("hex")}`;
const label = ["--label", mark];
let built: Promise<string> | undefined;

/** The image's name. */
export function image(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  await layOut();
  // The builder that comes with every engine; the newer one is a plug-in.
  const plugin = (await capture(["docker", "buildx", "version"])).code === 0;
  const env = plugin ? {} : { DOCKER_BUILDKIT: "0" };
  const { code, output } = await capture(["docker", "build", ...label, "-t", mark, root], { env });
  if (code !== 0) throw new Error(output);
  return mark;
}

export async function newVolume(): Promise<string> {
  return run(["docker", "volume", "create", ...label, `${mark}-${randomBytes(4).toString("hex")}`]);
}

async function command({ args = [], env, volume }: RunOptions): Promise<string[]> {
  const settings = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const data = volume === undefined ? [] : ["-v", `${volume}:/data`];
  const safety = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
  const health = ["--health-interval=3s"];
  const place = ["--network=host", ...data];
  return [...label, ...safety, ...health, ...place, ...settings, await image(), ...args];
}

/** Runs to its end. */
export async function runOnce(options: RunOptions): Promise<{ code: number; output: string }> {
  return capture(["docker", "run", "--rm", ...(await command(options))]);
}

export async function startContainer(options: RunOptions): Promise<Container> {
  const id = await run(["docker", "run", "-d", ...(await command(options))]);
  const inspect = (what: string) => run(["docker", "inspect", "-f", `{{${what}}}`, id]);
  const container: Container = {
    id,
    async healthy() {
      const until = performance.now() + 180_000;
      for (;;) {
        const state = await inspect(".State.Status}} {{.State.Health.Status");
        if (state === "running healthy") return;
        if (!state.startsWith("running") || performance.now() > until) {
          throw new Error(`${state}\n${tail(await container.logs())}`);
        }
        await Bun.sleep(200);
      }
    },
    exec: (...args) => capture(["docker", "exec", id, "/app", ...args]),
    logs: async () => (await capture(["docker", "logs", id])).output,
    async kill() {
      await run(["docker", "kill", id]);
      await run(["docker", "wait", id]);
    },
    async stop() {
      const begun = performance.now();
      await run(["docker", "stop", "-t", "60", id]);
      const ms = performance.now() - begun;
      return { code: Number(await inspect(".State.ExitCode")), ms };
    },
  };
  return container;
}

export async function removeContainers(): Promise<void> {
  const filter = ["--filter", `label=${mark}`];
  const remove = async (list: readonly string[], removal: readonly string[]) => {
    const { output } = await capture(["docker", ...list, "-q", ...filter]);
    const ids = output.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await capture(["docker", ...removal, "-f", ...ids]);
  };
  await remove(["ps", "-a"], ["rm", "-v"]);
  await remove(["volume", "ls"], ["volume", "rm"]);
  await remove(["images"], ["rmi"]);
  built = undefined;
}
