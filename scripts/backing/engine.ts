/**
 * A real container engine for the tests of the image: the one that runs already, or a Docker daemon
 * of our own in a folder that goes with it. It touches neither the machine's network nor its
 * firewall: containers run on the machine's own addresses.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { dockerDaemon, hasDocker } from "./install.ts";
import { forget, launch, ownFolder } from "./server.ts";

export interface Engine {
  /** As DOCKER_HOST takes it. */
  readonly host: string;
  stop(): Promise<void>;
}

/** `undefined` where no engine can be had. */
export async function startEngine(): Promise<Engine | undefined> {
  if (await hasDocker()) return { host: "unix:///var/run/docker.sock", stop: async () => {} };
  if (process.getuid?.() !== 0) return undefined;
  const program = await dockerDaemon();
  if (program === undefined) return undefined;
  const folder = await ownFolder("engine");
  try {
    return await startDaemon(program, folder);
  } catch (error) {
    forget(folder);
    // A container without the right to make containers, mostly.
    console.error(`the container engine does not start: ${error}`);
    return undefined;
  }
}

async function startDaemon(program: string, folder: string): Promise<Engine> {
  const host = `unix://${join(folder, "engine.sock")}`;
  const places = ["data", "exec"].flatMap((name) => {
    mkdirSync(join(folder, name));
    return [`--${name}-root`, join(folder, name)];
  });
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const server = await launch({
    command: [program, ...places, "--pidfile", join(folder, "pid"), "-H", host, ...network],
    folder,
    log: join(folder, "engine.log"),
    ready: (log) => log.includes("API listen on"),
    stopSignal: "SIGTERM",
  });
  return {
    host,
    async stop() {
      await server.stop();
      forget(folder);
    },
  };
}
