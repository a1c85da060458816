/**
 * `app doctor`: looks at everything the program leans on, one line each with a remedy; 4 when a
 * dependency cannot be reached, 5 when something else is not as it must be.
 */
import { createSystemClock } from "#platform/clock-system";
import { silentLogger } from "#platform/telemetry/logger";
import {
  type Config,
  ConfigError,
  type ConfigProblem,
  type ConfigSources,
  readConfig,
} from "../config.ts";
import {
  databaseTime,
  examineClock,
  examineEmbedded,
  examinePostgres,
  examineTestClock,
} from "../doctor/examine-database.ts";
import { examineKafka } from "../doctor/examine-kafka.ts";
import { examineProviders } from "../doctor/examine-providers.ts";
import { examineSchemas } from "../doctor/examine-schemas.ts";
import { examineSettings } from "../doctor/examine-settings.ts";
import { examineStart } from "../doctor/examine-start.ts";
import { type Finding, well } from "../doctor/finding.ts";
import { openStores, type Stores } from "../stores.ts";
import { ExitError } from "./exit.ts";

export async function runDoctor(sources: ConfigSources, { json = false }: { json?: boolean }) {
  // As `app serve` would read them: what it refuses is told here, each with its remedy.
  const { config, problems, guards } = readConfig(sources, { serving: true });
  // With a value that cannot be read there is nothing to look at.
  if (config === undefined) throw new ConfigError(problems);
  const findings = await examine(config, [...problems, ...guards]);
  const failed = findings.filter(({ verdict }) => verdict === "fail");
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: failed.length === 0, findings })}\n`);
  } else {
    for (const one of findings) process.stdout.write(`${line(one)}\n`);
  }
  if (failed.length === 0) return;
  const [worst = failed[0]] = failed.filter((one) => one.unreachable);
  throw new ExitError(worst?.unreachable ? 4 : 5, `${failed.length} of ${findings.length} failed`);
}

function line({ verdict, area, text, remedy }: Finding): string {
  const said = verdict === "fail" ? "FAIL" : verdict;
  return `${said.padEnd(4)} ${area.padEnd(8)} ${text}${remedy ? `: ${remedy}` : ""}`;
}

async function examine(config: Config, refused: readonly ConfigProblem[]): Promise<Finding[]> {
  const settings = examineSettings(config, refused);
  const others = Promise.all([examineSchemas(config), examineProviders(config)]);
  const stored = config.embedded
    ? [...(await examineEmbedded(config)), ...(await withLogOnly(config))]
    : await withStores(config, examineServers(config));
  return [...settings, ...stored, ...(await others).flat()];
}

/** Kafka beside an embedded database, which stays closed: only the log is opened. */
function withLogOnly(config: Config): Promise<Finding[]> {
  if (!config.kafka)
    return Promise.resolve([well("kafka", "not used: the log is in the database")]);
  return withStores({ ...config, MEMORY: true }, (stores) => examineLog(config, stores));
}

function examineServers(config: Config) {
  return async (stores: Stores): Promise<Finding[]> => {
    const found = await examinePostgres(stores);
    const up = !found.some((one) => one.unreachable);
    const clock = up
      ? [await examineClock("the database", () => databaseTime(stores.databases.platform))]
      : [];
    const log = config.kafka
      ? await examineLog(config, stores)
      : [well("kafka", "not used: the log is in the database")];
    const sound = !found.some(({ verdict }) => verdict === "fail");
    const start = sound
      ? [
          ...(await examineTestClock(stores.databases.escrow, config)),
          ...(await examineStart(config, stores)),
        ]
      : [];
    return [...found, ...clock, ...log, ...start];
  };
}

async function examineLog(config: Config, stores: Stores): Promise<Finding[]> {
  const memberId = `doctor-${process.pid}`;
  const log = stores.openLog({ clock: createSystemClock(), logger: silentLogger, memberId });
  try {
    return await examineKafka(config, log);
  } finally {
    await log.close();
  }
}

async function withStores(
  config: Config,
  work: (stores: Stores) => Promise<Finding[]>,
): Promise<Finding[]> {
  const stores = await openStores(config, silentLogger);
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}
