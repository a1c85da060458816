/**
 * Finds the programs that real servers need, or installs them where that can be done without
 * asking: as root on a Debian-like machine. Says `undefined` where a program cannot be had.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { capture, run } from "../process.ts";

export const KAFKA_VERSION = "4.1.1";
const isRoot = process.getuid?.() === 0;

/** The folder of initdb and postgres. */
export async function postgresPrograms(): Promise<string | undefined> {
  return findPostgres() ?? ((await aptInstall(["postgresql"])) ? findPostgres() : undefined);
}

function findPostgres(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a));
  const inPath = (process.env.PATH ?? "").split(":");
  const folders = [...newestFirst.map((version) => join(debian, version, "bin")), ...inPath];
  return folders.find(
    (folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")),
  );
}

/** The folder of Kafka's jars; fetched once and kept in the user's cache. */
export async function kafkaJars(): Promise<string | undefined> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const folder = join(cache, "app-backing", `kafka-${KAFKA_VERSION}`);
  const cached = existsSync(join(folder, "lib"));
  if (!(await hasJava())) await aptInstall(["default-jre-headless"]);
  if (!(await hasJava())) return undefined;
  if (cached) return join(folder, "lib");
  if (!(await hasMaven())) return undefined;
  await fetchJars({ what: `Kafka ${KAFKA_VERSION}`, cache, folder, pom: pom() });
  return join(folder, "lib");
}

/** Kafka Connect's jars and its plug-ins, fetched and built once for each state of their sources. */
export interface ConnectPrograms {
  readonly jars: string;
  readonly plugins: string;
}

/** From the folder of the sources: what its pom.xml names, and what its build-plugin.sh makes of it. */
export async function connectPrograms(sources: string): Promise<ConnectPrograms | undefined> {
  if (Bun.which("javac") === null) await aptInstall(["default-jdk-headless"]);
  if (Bun.which("javac") === null || !(await hasJava())) return undefined;
  const names = ["pom.xml", "build-plugin.sh", "JsonHeaders.java"];
  const texts = await Promise.all(names.map((name) => readFile(join(sources, name), "utf8")));
  const state = createHash("sha256").update(texts.join()).digest("hex").slice(0, 12);
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const folder = join(cache, "app-backing", `connect-${state}`);
  const programs = { jars: join(folder, "lib"), plugins: join(folder, "plugins") };
  if (existsSync(programs.plugins)) return programs;
  if (!(await hasMaven())) return undefined;
  await fetchJars({
    what: "Kafka Connect and Debezium",
    cache,
    folder,
    pom: texts[0] ?? "",
    build: async (fresh) => {
      const [jars, plugins] = [join(fresh, "lib"), join(fresh, "plugins")];
      await run(["sh", join(sources, "build-plugin.sh"), jars, plugins]);
    },
  });
  return programs;
}

async function hasMaven(): Promise<boolean> {
  return Bun.which("mvn") !== null || (await aptInstall(["maven"]));
}

/** Kafka 4 brokers need Java 17 or newer. */
async function hasJava(): Promise<boolean> {
  if (Bun.which("java") === null) return false;
  const { output } = await capture(["java", "-version"]);
  return Number(/version "(\d+)/.exec(output)?.[1] ?? 0) >= 17;
}

interface Fetch {
  readonly what: string;
  readonly cache: string;
  readonly folder: string;
  readonly pom: string;
  /** What is made of the jars before the folder is there for all. */
  readonly build?: (fresh: string) => Promise<void>;
}

async function fetchJars({ what, cache, folder, pom, build }: Fetch): Promise<void> {
  console.error(`fetching ${what} with Maven (once)`);
  await mkdir(join(cache, "app-backing"), { recursive: true });
  const fresh = await mkdtemp(join(cache, "app-backing", "fetch-"));
  try {
    await writeFile(join(fresh, "pom.xml"), pom);
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies";
    const options = [`-DoutputDirectory=${join(fresh, "lib")}`, "-DincludeScope=runtime"];
    await run(["mvn", "-q", "-B", goal, ...options], { cwd: fresh });
    await build?.(fresh);
    // Whole or not at all, also when two runs fetch at the same time.
    await rename(fresh, folder).catch((error: unknown) => {
      if (!existsSync(join(folder, "lib"))) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

function pom(): string {
  const dependency = (group: string, artifact: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>app</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    ${dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)}
    ${dependency("org.apache.kafka", "kafka-tools", KAFKA_VERSION)}
    ${dependency("org.slf4j", "slf4j-simple", "1.7.36")}
  </dependencies>
</project>
`;
}

const canInstall = isRoot && Bun.which("apt-get") !== null;

let installing: Promise<unknown> = Promise.resolve();

/** One after the other: apt refuses to run twice. */
function aptInstall(packages: readonly string[]): Promise<boolean> {
  const installed = installing.then(() => installNow(packages));
  installing = installed.catch(() => {});
  return installed;
}

async function installNow(packages: readonly string[]): Promise<boolean> {
  if (!canInstall) return false;
  console.error(`installing ${packages.join(", ")} with apt-get`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages];
  if ((await capture(install, { env })).code === 0) return true;
  // A fresh image has no package lists yet.
  await capture(["apt-get", "update", "-qq"], { env });
  const { code, output } = await capture(install, { env });
  if (code !== 0) console.error(output);
  return code === 0;
}

/** Tests make certificates with it. */
export async function hasOpenssl(): Promise<boolean> {
  return Bun.which("openssl") !== null || (await aptInstall(["openssl"]));
}

/** The engine's daemon; not whether one runs. */
export async function dockerDaemon(): Promise<string | undefined> {
  const find = () => Bun.which("dockerd") ?? undefined;
  return find() ?? ((await aptInstall(["docker.io"])) ? find() : undefined);
}

export async function hasDocker(): Promise<boolean> {
  return Bun.which("docker") !== null && (await capture(["docker", "info"])).code === 0;
}
