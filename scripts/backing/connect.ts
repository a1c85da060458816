/**
 * A worker of Kafka Connect with Debezium on a free port of 127.0.0.1, from the very files that are
 * deployed: the properties, the plug-in's build, the connectors.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../process.ts";
import { connectPrograms } from "./install.ts";
import { forget, freePorts, launch, ownFolder, type RunningServer, tail } from "./server.ts";

export interface Connect {
  /** Creates a connector, or sets it anew, and waits until its task runs. */
  put(connector: Connector): Promise<void>;
  /** Its task ends; its positions stay. */
  stopConnector(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  /** Without a word, as a machine that is gone. */
  kill(): Promise<void>;
  /** After `kill`: it goes on where its positions, kept in Kafka, say. */
  restart(): Promise<void>;
  /** The end of its log, for messages. */
  log(): string;
  stop(): Promise<void>;
}

export interface Connector {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
}

interface State {
  readonly connector: { readonly state: string };
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[];
}

const sources = join(root, "deploy", "connect");

/** A connector as it is deployed. */
export function deployedConnector(name: string): Connector {
  return JSON.parse(readFileSync(join(sources, `${name}.json`), "utf8")) as Connector;
}

/** `env` fills the `${env:…}` of the files. `undefined` where Connect cannot be had. */
export async function startConnect(
  env: Readonly<Record<string, string>>,
): Promise<Connect | undefined> {
  const programs = await connectPrograms(sources);
  if (programs === undefined) return undefined;
  const folder = await ownFolder("connect");
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  let lives = 0;
  let log = "";
  const values = { ...env, CONNECT_PORT: String(port) };
  const given = Object.entries(values).map(([name, value]) => `${name}=${value}`);
  const file = join(folder, "worker.properties");
  const deployed = readFileSync(join(sources, "worker.properties"), "utf8");
  writeFileSync(file, deployed.replace(/^plugin\.path=.*$/m, `plugin.path=${programs.plugins}`));
  const java = ["java", "-Xmx384m", "-cp", join(programs.jars, "*")];
  const main = "org.apache.kafka.connect.cli.ConnectDistributed";
  const start = (): Promise<RunningServer> => {
    lives += 1;
    log = join(folder, `connect-${lives}.log`);
    return launch({
      command: ["env", ...given, ...java, main, file],
      folder,
      log,
      ready: (text) => text.includes("Kafka Connect started"),
      stopSignal: "SIGTERM",
    });
  };
  let server = await start();
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const headers = { "Content-Type": "application/json" };
    const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`${url}/connectors/${path}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  const until = async (name: string, wanted: string): Promise<void> => {
    const late = performance.now() + 60_000;
    for (;;) {
      const state = (await call("GET", `${name}/status`).catch(() => undefined)) as
        | State
        | undefined;
      const failed = state?.tasks.find((task) => task.state === "FAILED");
      if (failed !== undefined) throw new Error(`${name}: ${failed.trace}`);
      const states = [state?.connector.state, ...(state?.tasks ?? []).map((task) => task.state)];
      const enough = wanted === "STOPPED" || states.length > 1;
      if (enough && states.every((one) => one === wanted)) return;
      if (performance.now() > late) {
        throw new Error(`${name} is ${states}\n${tail(readFileSync(log, "utf8"))}`);
      }
      await Bun.sleep(100);
    }
  };
  return {
    async put({ name, config }) {
      await call("PUT", `${name}/config`, config);
      await until(name, "RUNNING");
    },
    async stopConnector(name) {
      await call("PUT", `${name}/stop`);
      await until(name, "STOPPED");
    },
    async resume(name) {
      await call("PUT", `${name}/resume`);
      await until(name, "RUNNING");
    },
    async kill() {
      server.signal("SIGKILL");
      await server.gone();
    },
    async restart() {
      server = await start();
    },
    log: () => tail(readFileSync(log, "utf8"), 60),
    async stop() {
      await server.stop();
      forget(folder);
    },
  };
}

/** Fetches and builds what is needed, once; says loudly what is not tested where it cannot be had. */
export async function hasConnect(): Promise<boolean> {
  if ((await connectPrograms(sources)) !== undefined) return true;
  const told = "NOT TESTED: change data capture needs Kafka Connect (a JDK from 17 on, and Maven)";
  if (process.env.CI === "true") throw new Error(told);
  console.error(`!!! ${told}.`);
  return false;
}
