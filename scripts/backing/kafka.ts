/**
 * A real Kafka of one or more brokers on free ports of 127.0.0.1, each with its own process and
 * folder, so that a test can kill one and see what the others keep.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../process.ts";
import { docker } from "./docker.ts";
import { hasDocker, KAFKA_VERSION, kafkaJars } from "./install.ts";
import { forget, freePorts, type Launch, launch, ownFolder, type RunningServer } from "./server.ts";

export interface Kafka {
  /** `host:port,host:port`, as KAFKA_BROKERS takes it. */
  readonly brokers: string;
  /** The same by another of its doors. */
  door(name: string): string;
  /** Node ids, from 1. */
  readonly ids: readonly number[];
  pid(id: number): number;
  kill(id: number, signal?: NodeJS.Signals): Promise<void>;
  /** On the same port and data; waits until the broker serves again. */
  restart(id: number): Promise<void>;
  stop(): Promise<void>;
}

interface Node {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
  readonly doors: Readonly<Record<string, number>>;
}

export interface KafkaSetUp {
  readonly brokers?: number;
  /** Further doors beside the plain one, by name: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. */
  readonly doors?: Readonly<Record<string, string>>;
  /** Beside what every broker here has. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Further words for the tool that makes the storage, such as users. */
  readonly formatting?: readonly string[];
}

/** `undefined` where no Kafka can be had. */
export async function startKafka(setUp: KafkaSetUp = {}): Promise<Kafka | undefined> {
  const { brokers = 1, doors = {} } = setUp;
  const jars = await kafkaJars();
  if (jars === undefined && !(await hasDocker())) return undefined;
  const folder = await ownFolder("kafka");
  const nodes = await chooseNodes(brokers, Object.keys(doors));
  const java = jars === undefined ? inDocker(folder) : ["java", "-cp", join(jars, "*")];
  const plans = new Map<number, Launch>();
  for (const node of nodes) plans.set(node.id, await prepare({ java, folder, node, nodes, setUp }));
  const servers = new Map<number, RunningServer>();
  const start = async (id: number) => {
    const plan = plans.get(id);
    if (plan === undefined) throw new Error(`no broker ${id}`);
    writeFileSync(plan.log, "");
    servers.set(id, await launch(plan));
  };
  const stop = async () => {
    await Promise.all([...servers.values()].map((server) => server.stop()));
    forget(folder);
  };
  // Together: a broker is ready only when the quorum is.
  const begun = await Promise.allSettled(nodes.map(({ id }) => start(id)));
  const failed = begun.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    brokers: nodes.map(({ port }) => `127.0.0.1:${port}`).join(","),
    door: (name) => nodes.map(({ doors }) => `127.0.0.1:${doors[name]}`).join(","),
    ids: nodes.map(({ id }) => id),
    pid: (id) => servers.get(id)?.pid ?? 0,
    async kill(id, signal = "SIGKILL") {
      servers.get(id)?.signal(signal);
      await servers.get(id)?.gone();
    },
    async restart(id) {
      await servers.get(id)?.stop();
      await start(id);
    },
    stop,
  };
}

async function chooseNodes(count: number, doors: readonly string[]): Promise<Node[]> {
  const each = 2 + doors.length;
  const ports = await freePorts(count * each);
  return Array.from({ length: count }, (_, index) => {
    const [port = 0, controllerPort = 0, ...rest] = ports.slice(index * each, (index + 1) * each);
    const named = Object.fromEntries(doors.map((name, door) => [name, rest[door] ?? 0]));
    return { id: index + 1, port, controllerPort, doors: named };
  });
}

interface Preparation {
  readonly java: readonly string[];
  readonly folder: string;
  readonly node: Node;
  readonly nodes: readonly Node[];
  readonly setUp: KafkaSetUp;
}

/** Any cluster's id: all of one cluster are formatted with the same. */
const CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg";

async function prepare(preparation: Preparation): Promise<Launch> {
  const { java, folder, node, nodes, setUp } = preparation;
  const own = join(folder, `broker-${node.id}`);
  mkdirSync(own, { mode: 0o777 });
  const file = join(own, "server.properties");
  writeFileSync(file, properties(own, node, nodes, setUp));
  const format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", file];
  format.push(...(setUp.formatting ?? []));
  await run([...java, ...format], { cwd: own });
  const [program = "", ...options] = java;
  const heap = nodes.length === 1 ? "-Xmx512m" : "-Xmx400m";
  return {
    command: [program, ...withFlags(options, [heap, ...SHORT_LIVED]), "kafka.Kafka", file],
    folder: own,
    log: join(own, "broker.log"),
    ready: (log) => log.includes("Kafka Server started"),
    stopSignal: "SIGTERM",
  };
}

/** A broker that lives for minutes beside what it is tried with: starting costs half the CPU. */
const SHORT_LIVED = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/** JVM options stand before the class path, in a container's command too. */
function withFlags(options: readonly string[], flags: readonly string[]): string[] {
  const at = options.indexOf("-cp");
  return [...options.slice(0, at), ...flags, ...options.slice(at)];
}

function properties(
  folder: string,
  node: Node,
  nodes: readonly Node[],
  { doors = {}, settings: own = {} }: KafkaSetUp,
): string {
  const replicas = Math.min(3, nodes.length);
  const inSync = Math.max(1, replicas - 1);
  const named = Object.keys(doors).map((name) => `${name}://127.0.0.1:${node.doors[name]}`);
  const client = [`PLAINTEXT://127.0.0.1:${node.port}`, ...named].join(",");
  const protocols = Object.entries({ CONTROLLER: "PLAINTEXT", PLAINTEXT: "PLAINTEXT", ...doors });
  const settings = {
    "process.roles": "broker,controller",
    "node.id": node.id,
    "controller.quorum.voters": nodes
      .map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
      .join(","),
    listeners: `${client},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    "advertised.listeners": client,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": protocols.map((pair) => pair.join(":")).join(","),
    "log.dirs": join(folder, "data"),
    // Topics come from the catalogue: a misspelt one must fail, not appear.
    "auto.create.topics.enable": false,
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "transaction.state.log.num.partitions": 8,
    "group.initial.rebalance.delay.ms": 0,
    ...own,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

/** The image holds the same jars: only where `java` runs differs. */
function inDocker(folder: string): string[] {
  const args = ["java", "-cp", "/opt/kafka/libs/*"];
  return docker({ image: `apache/kafka:${KAFKA_VERSION}`, folder, env: {}, args });
}
