/**
 * Settings: flags > environment > file > defaults, checked together, so that a wrong start names
 * everything that is wrong at once. The only reader of the environment.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import {
  custodianConfig,
  custodianContradictions,
  custodianGuards,
  custodianSecretNames,
  custodianSettings,
} from "./settings/custodian.ts";
import { amountsByCurrency, feeFile } from "./settings/deal-rules.ts";
import { readSettingsFile } from "./settings/file.ts";
import { address, oneOf, whole, yesNo } from "./settings/forms.ts";
import {
  kafkaContradictions,
  kafkaFileNames,
  kafkaSecretNames,
  kafkaSettings,
} from "./settings/kafka.ts";
import { outboxContradictions, outboxSettings } from "./settings/outbox.ts";
import {
  schemaRegistryContradictions,
  schemaRegistryFileNames,
  schemaRegistrySecretNames,
  schemaRegistrySettings,
} from "./settings/schema-registry.ts";
import {
  stripeConfig,
  stripeContradictions,
  stripeGuards,
  stripeSecretNames,
  stripeSettings,
} from "./settings/stripe.ts";
import { tracingSecretNames, tracingSettings } from "./settings/tracing.ts";

export const roleNames = ["escrow", "payments", "projections", "outbox", "api", "all"] as const;
export type RoleName = (typeof roleNames)[number];
const parts = roleNames.filter((role) => role !== "all");

/** One wrong setting, as the user must see it. */
export interface ConfigProblem {
  readonly name: string;
  readonly origin: "flag" | "environment" | "file" | "default";
  readonly value: string;
  readonly expected: string;
}

/** All wrong settings together; the command line exits with 3. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(describe).join("\n"));
    this.problems = problems;
  }
}

/** Well-formed, but money must not depend on it, or must not be there; the command line exits with 6. */
export class ProductionRefused extends Error {
  override readonly name = "ProductionRefused";
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(describe).join("\n"));
  }
}

function describe({ name, origin, value, expected }: ConfigProblem): string {
  return `${name} (${origin}): ${value === "" ? "missing" : `"${value}"`}; expected ${expected}`;
}

const holdingLimits = z
  .string()
  .refine(
    (text) =>
      text
        .split(",")
        .every((part) => /^([a-z]{1,32}|\*)\/([A-Z]{2}|\*)=[1-9]\d{0,3}$/.test(part)) &&
      text.split(",").some((part) => part.startsWith("*/*=")),
    { error: "days by provider and country such as */*=90,stripe/US=730, with one for */*" },
  );
const minorUnits = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/, { error: "minor units, a whole number from 0" })
  .transform(BigInt);
const postgresUrl = z.string().regex(/^postgres(ql)?:\/\/\S+$/, {
  error: "a URL like postgres://user:password@host:5432/name",
});
const httpUrl = z.string().regex(/^https?:\/\/\S+$/, { error: "an http(s) URL" });
const secret32 = z
  .string()
  .refine((value) => Buffer.byteLength(value) >= 32, { error: "at least 32 bytes" });
const dataKey = z
  .string()
  .refine((value) => Buffer.from(value, "base64").length === 32, { error: "base64 of 32 bytes" });
const roles = z
  .string()
  .transform((value) => value.split(",").map((role) => role.trim()))
  .pipe(z.array(oneOf(roleNames)).min(1));

const settings = z.object({
  APP_ROLE: roles.default(["all"]),
  APP_ENV: oneOf(["development", "test", "staging", "production"]).default("development"),
  PORT: whole(0, 65_535).default(3000),
  HOST: address.default("127.0.0.1"),
  DATA_DIR: z.string().min(1).default("./data"),
  MEMORY: yesNo.default(false),
  DATABASE_URL: postgresUrl.optional(),
  ESCROW_DATABASE_URL: postgresUrl.optional(),
  PAYMENTS_DATABASE_URL: postgresUrl.optional(),
  PROJECTIONS_DATABASE_URL: postgresUrl.optional(),
  DATABASE_POOL_SIZE: whole(2, 100).default(8),
  ...kafkaSettings,
  ...schemaRegistrySettings,
  ...outboxSettings,
  JWT_SECRET: secret32.optional(),
  JWT_JWKS_URL: httpUrl.optional(),
  JWT_ISSUER: z.string().min(1).default("app"),
  JWT_AUDIENCE: z.string().min(1).default("app"),
  DATA_KEY: dataKey.optional(),
  SANDBOX_WEBHOOK_URL: httpUrl.optional(),
  SANDBOX_WEBHOOK_SECRET: secret32.optional(),
  ...stripeSettings,
  HOLDING_LIMITS: holdingLimits.default("*/*=90,*/US=730,*/TH=10"),
  SWEEP_INTERVAL: whole(10, 86_400).default(300),
  RECONCILE_INTERVAL: whole(60, 604_800).default(3_600),
  RECONCILE_TOLERANCE: minorUnits.default(0n),
  ...custodianSettings,
  DEBT_NETTING_PERCENT: whole(0, 100).default(100),
  SHUTDOWN_TIMEOUT: whole(1, 600).default(25),
  RATE_LIMIT_PER_SECOND: whole(1, 1_000_000).default(200),
  FEES: feeFile.optional(),
  PARTY_DAILY_ESCROWS: whole(1, 1_000_000).optional(),
  PARTY_DAILY_AMOUNT: amountsByCurrency.optional(),
  ...tracingSettings,
  LOG_LEVEL: oneOf(["debug", "info", "warn", "error", "silent"]).default("info"),
  LOG_FORMAT: oneOf(["json", "pretty"]).optional(),
});

export type SettingName = keyof typeof settings.shape;
export type Settings = z.output<typeof settings>;

const secretNames: readonly SettingName[] = [
  "DATABASE_URL",
  "ESCROW_DATABASE_URL",
  "PAYMENTS_DATABASE_URL",
  "PROJECTIONS_DATABASE_URL",
  ...kafkaSecretNames,
  ...schemaRegistrySecretNames,
  "JWT_SECRET",
  "DATA_KEY",
  "SANDBOX_WEBHOOK_SECRET",
  ...stripeSecretNames,
  ...custodianSecretNames,
  ...tracingSecretNames,
];

/** May be given as NAME_FILE. */
const filedNames: readonly SettingName[] = [
  ...secretNames,
  ...kafkaFileNames,
  ...schemaRegistryFileNames,
];

/** Everything a start is told, checked. */
export interface Config extends Readonly<Settings> {
  /** No DATABASE_URL: one process, data in a folder or in memory. */
  readonly embedded: boolean;
  /** Records travel over Kafka; false: over tables of the database. */
  readonly kafka: boolean;
}

export interface ConfigSources {
  readonly flags?: Partial<Record<SettingName, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** TOML with the same names. */
  readonly file?: string | undefined;
}

/** What a start would say of its settings. */
export interface ConfigReading {
  /** Absent where one is malformed. */
  readonly config: Config | undefined;
  readonly problems: readonly ConfigProblem[];
  /** Well-formed, and refused for safety. */
  readonly guards: readonly ConfigProblem[];
}

/**
 * Throws ConfigError with every problem; ProductionRefused when the production guard is the only one.
 * `serving`: the secrets a server needs must be there.
 */
export function loadConfig(sources: ConfigSources, serving: { serving: boolean }): Config {
  const { config, problems, guards } = readConfig(sources, serving);
  if (config === undefined || problems.length > 0) throw new ConfigError([...problems, ...guards]);
  if (guards.length > 0) throw new ProductionRefused(guards);
  return config;
}

/** The same without an end: all that is wrong, for whoever would tell it. */
export function readConfig(
  sources: ConfigSources,
  { serving }: { serving: boolean },
): ConfigReading {
  const { values, origins, problems } = collect(sources);
  const parsed = settings.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      // A list has an issue for each wrong member.
      if (problems.some((known) => known.name === name)) continue;
      problems.push({
        name,
        origin: origins[name] ?? "default",
        value: masked(name, values[name] ?? ""),
        expected: issue.message,
      });
    }
    return { config: undefined, problems, guards: [] };
  }
  const config: Config = {
    ...parsed.data,
    embedded: parsed.data.DATABASE_URL === undefined,
    kafka: parsed.data.KAFKA_BROKERS !== undefined && parsed.data.KAFKA_ENABLED !== false,
  };
  const bySettings = (problem: Contradiction): ConfigProblem => {
    return { ...problem, origin: origins[problem.name] ?? "default" };
  };
  problems.push(...contradictions(config, serving).map(bySettings));
  problems.push(...kafkaContradictions(config).map(bySettings));
  problems.push(...schemaRegistryContradictions(config).map(bySettings));
  problems.push(...outboxContradictions(config).map(bySettings));
  problems.push(...stripeContradictions(config).map(bySettings));
  problems.push(...custodianContradictions(config).map(bySettings));
  const guards = [
    ...(config.APP_ENV === "production" ? productionGuards(config, serving).map(bySettings) : []),
    ...stripeGuards(config).map(bySettings),
    ...custodianGuards(config).map(bySettings),
  ];
  return { config: Object.freeze(config), problems, guards };
}

function collect({ flags = {}, environment, file }: ConfigSources) {
  const values: Record<string, string> = {};
  const origins: Record<string, ConfigProblem["origin"]> = {};
  const problems: ConfigProblem[] = [];
  const names = Object.keys(settings.shape) as SettingName[];
  const filed = file === undefined ? undefined : readSettingsFile(file, names);
  problems.push(...(filed?.problems ?? []));
  const fromFile = filed?.values ?? {};
  for (const name of names) {
    const found = firstOf(name, flags, environment, fromFile, problems);
    if (!found) continue;
    values[name] = found.value;
    origins[name] = found.origin;
  }
  return { values, origins, problems };
}

function firstOf(
  name: SettingName,
  flags: Partial<Record<SettingName, string>>,
  environment: Readonly<Record<string, string | undefined>>,
  fromFile: Readonly<Record<string, string>>,
  problems: ConfigProblem[],
): { value: string; origin: ConfigProblem["origin"] } | undefined {
  const flag = flags[name];
  if (flag !== undefined) return { value: flag, origin: "flag" };
  const direct = environment[name];
  if (direct !== undefined && direct !== "") return { value: direct, origin: "environment" };
  const path = environment[`${name}_FILE`];
  if (path && filedNames.includes(name)) {
    try {
      return { value: readFileSync(path, "utf8").trim(), origin: "environment" };
    } catch {
      const expected = "a readable file";
      problems.push({ name: `${name}_FILE`, origin: "environment", value: path, expected });
    }
  }
  const filed = fromFile[name];
  return filed === undefined ? undefined : { value: filed, origin: "file" };
}

/** Several settings together are wrong; each is told with where it is from. */
type Contradiction = Omit<ConfigProblem, "origin">;

function contradictions(config: Config, serving: boolean): Contradiction[] {
  const problems: Contradiction[] = [];
  const missing = (name: SettingName, expected: string) =>
    problems.push({ name, value: "", expected });
  const { APP_ROLE: roles, embedded } = config;
  const complete = roles.includes("all") || parts.every((role) => roles.includes(role));
  if (serving && embedded && !complete) {
    const expected =
      "all of them: only this process can open embedded data, so give DATABASE_URL, or leave --role out";
    problems.push({ name: "APP_ROLE", value: roles.join(","), expected });
  }
  if (serving && !config.embedded) {
    if (!config.JWT_SECRET && !config.JWT_JWKS_URL) {
      missing("JWT_SECRET", "at least 32 bytes, or JWT_JWKS_URL, when DATABASE_URL is set");
    }
    if (!config.DATA_KEY) missing("DATA_KEY", "base64 of 32 bytes when DATABASE_URL is set");
  }
  return problems;
}

function productionGuards(config: Config, serving: boolean): Contradiction[] {
  const guards: [boolean, string, string, string][] = [
    [config.embedded, "DATABASE_URL", "", "a PostgreSQL database"],
    [
      !config.kafka && config.KAFKA_ENABLED !== false,
      "KAFKA_BROKERS",
      "",
      "brokers, or KAFKA_ENABLED=false",
    ],
    [config.MEMORY, "MEMORY", "true", "false"],
    [
      serving && !stripeConfig(config) && !custodianConfig(config),
      "provider",
      "sandbox",
      "one that moves real money: STRIPE_SECRET_KEY, CUSTODIAN_URL",
    ],
  ];
  return guards
    .filter(([broken]) => broken)
    .map(([, name, value, expected]) => ({ name, value, expected }));
}

function masked(name: string, value: string): string {
  return value !== "" && (secretNames as readonly string[]).includes(name) ? "***" : value;
}

/** One setting as it stands, its value masked where it is a secret. */
export interface ShownSetting {
  readonly name: SettingName;
  readonly value: string;
  /** "" where there is none. */
  readonly default: string;
  readonly origin: ConfigProblem["origin"];
  readonly secret: boolean;
}

/** Every setting, for `app config show`; `sources` are those the config was read from. */
export function shownSettings(config: Config, sources: ConfigSources): readonly ShownSetting[] {
  const { origins } = collect(sources);
  return (Object.keys(settings.shape) as SettingName[]).map((name) => ({
    name,
    value: masked(name, text(config[name])),
    default: text(settings.shape[name].safeParse(undefined).data),
    origin: origins[name] ?? "default",
    secret: secretNames.includes(name),
  }));
}

function text(value: unknown): string {
  return value === undefined ? "" : String(value);
}

/** The process's environment, read here and nowhere else. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}
