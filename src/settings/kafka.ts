/**
 * The settings of Kafka: where the brokers are, how they are spoken to, what the topics are called.
 * Certificates are text or the path of a file; a file is read again for each connection, so that a
 * renewed certificate needs no restart.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { oneOf, whole, yesNo } from "./forms.ts";

const brokers = z
  .string()
  .transform((value) => value.split(",").map((broker) => broker.trim()))
  .refine((list) => list.every(isBroker), {
    error: "a comma-separated list of host:port, without scheme, port from 1 to 65535",
  });

function isBroker(text: string): boolean {
  const port = Number(/^[A-Za-z0-9._-]+:(\d{1,5})$/.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65_535;
}

const pem = z
  .string()
  .refine(isPem, { error: "PEM text (-----BEGIN …), or the path of a readable file of it" });

function isPem(value: string): boolean {
  try {
    return readPem(value).includes("-----BEGIN ");
  } catch {
    return false;
  }
}

/** Throws when it is the path of a file that cannot be read. */
function readPem(value: string): string {
  if (!value.includes("-----BEGIN ")) return readFileSync(value, "utf8");
  // Where an environment has one line per variable the line ends are written out.
  return value.includes("\n") ? value : value.replaceAll("\\n", "\n");
}

const topicName = z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,245}$/, {
  error: "a topic's name: letters, digits, . _ -",
});

/** Each replaces the name of the catalogue and the prefix; the dead letters follow it. */
const topicSettings = {
  KAFKA_TOPIC_ESCROW_COMMANDS: topicName.optional(),
  KAFKA_TOPIC_ESCROW_EVENTS: topicName.optional(),
  KAFKA_TOPIC_PAYMENTS_COMMANDS: topicName.optional(),
  KAFKA_TOPIC_PAYMENTS_EVENTS: topicName.optional(),
  KAFKA_TOPIC_TREASURY_EVENTS: topicName.optional(),
  KAFKA_TOPIC_WEBHOOK_EVENTS: topicName.optional(),
  KAFKA_TOPIC_CONTRACTS_EVENTS: topicName.optional(),
};

export const kafkaSettings = {
  KAFKA_ENABLED: yesNo.optional(),
  KAFKA_BROKERS: brokers.optional(),
  KAFKA_CLIENT_ID: z.string().min(1).default("app"),
  KAFKA_TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]*$/, { error: "letters, digits, . _ -" })
    .default(""),
  ...topicSettings,
  KAFKA_SSL: yesNo.optional(),
  KAFKA_TLS: yesNo.optional(),
  KAFKA_SSL_CA: pem.optional(),
  KAFKA_SSL_CERT: pem.optional(),
  KAFKA_SSL_KEY: pem.optional(),
  KAFKA_SASL_MECHANISM: oneOf(["plain", "scram-sha-256", "scram-sha-512"]).optional(),
  KAFKA_SASL_USERNAME: z.string().min(1).optional(),
  KAFKA_SASL_PASSWORD: z.string().min(1).optional(),
  KAFKA_CONNECTION_TIMEOUT: whole(100, 60_000).default(3_000),
  KAFKA_REQUEST_TIMEOUT: whole(1_000, 60_000).default(8_000),
  KAFKA_COMPRESSION: oneOf(["gzip", "none"]).default("gzip"),
  KAFKA_VALIDATE_ON_STARTUP: yesNo.default(true),
  HEALTH_INCLUDE_KAFKA: yesNo.default(true),
};

export const kafkaSecretNames = ["KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEY"] as const;
/** May be given as NAME_FILE, but are no secrets. */
export const kafkaFileNames = ["KAFKA_SASL_USERNAME", "KAFKA_SSL_CA", "KAFKA_SSL_CERT"] as const;

type KafkaSettings = Readonly<z.output<z.ZodObject<typeof kafkaSettings>>>;

interface Problem {
  readonly name: keyof typeof kafkaSettings;
  readonly value: string;
  readonly expected: string;
}

/** What does not fit together; undefined members are simply not set. */
export function kafkaContradictions(settings: KafkaSettings): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (name: Problem["name"], expected: string, value = "") =>
    problems.push({ name, value, expected });
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SSL_CERT, KAFKA_SSL_KEY } = settings;
  const named = settings.KAFKA_SASL_USERNAME !== undefined;
  const secret = settings.KAFKA_SASL_PASSWORD !== undefined;
  if (settings.KAFKA_ENABLED === true && !settings.KAFKA_BROKERS) {
    add("KAFKA_BROKERS", "host:port of a broker, since KAFKA_ENABLED is true");
  }
  if (mechanism && !(named && secret)) {
    add("KAFKA_SASL_USERNAME", "a user name and KAFKA_SASL_PASSWORD for KAFKA_SASL_MECHANISM");
  }
  if (!mechanism && (named || secret)) {
    add("KAFKA_SASL_MECHANISM", "plain, scram-sha-256 or scram-sha-512 for the user name given");
  }
  if ((KAFKA_SSL_CERT === undefined) !== (KAFKA_SSL_KEY === undefined)) {
    const missing = KAFKA_SSL_CERT === undefined ? "KAFKA_SSL_CERT" : "KAFKA_SSL_KEY";
    add(missing, "a value: a client's certificate and its key go together");
  }
  if (settings.KAFKA_SSL !== undefined && settings.KAFKA_TLS !== undefined) {
    if (settings.KAFKA_SSL !== settings.KAFKA_TLS) {
      add("KAFKA_TLS", "the same as KAFKA_SSL, of which it is another name", "both set");
    }
  }
  const certificates = settings.KAFKA_SSL_CA ?? KAFKA_SSL_CERT ?? KAFKA_SSL_KEY;
  if (certificates !== undefined && !isEncrypted(settings) && settings.KAFKA_BROKERS) {
    add("KAFKA_SSL", "true, since certificates are given", String(settings.KAFKA_SSL ?? ""));
  }
  const chosen = Object.values(chosenNames(settings));
  const twice = chosen.find((name, index) => chosen.indexOf(name) !== index);
  if (twice !== undefined) add("KAFKA_TOPIC_ESCROW_EVENTS", "names that differ by topic", twice);
  return problems;
}

function isEncrypted({ KAFKA_SSL, KAFKA_TLS, KAFKA_BROKERS = [] }: KafkaSettings): boolean {
  return KAFKA_SSL ?? KAFKA_TLS ?? KAFKA_BROKERS.some((broker) => broker.endsWith(":9094"));
}

/** By the catalogue's names: escrow.events.v1 is KAFKA_TOPIC_ESCROW_EVENTS. */
function settingOfTopic(name: string): string {
  return `KAFKA_TOPIC_${name
    .replace(/\.v\d+$/, "")
    .replaceAll(".", "_")
    .toUpperCase()}`;
}

/** The names chosen for topics, by setting. */
function chosenNames(settings: KafkaSettings): Record<string, string> {
  return Object.fromEntries(
    (Object.keys(topicSettings) as (keyof typeof topicSettings)[]).flatMap((name) => {
      const chosen = settings[name];
      return chosen === undefined ? [] : [[name, chosen]];
    }),
  );
}

/** How the topics of the catalogue are called in this cluster. */
export function topicNaming(settings: KafkaSettings) {
  const chosen = chosenNames(settings);
  return {
    prefix: settings.KAFKA_TOPIC_PREFIX,
    chosen: (name: string): string | undefined => chosen[settingOfTopic(name)],
  };
}

/** How the brokers are spoken to. */
export function kafkaConnection(settings: KafkaSettings) {
  const { KAFKA_SASL_MECHANISM: mechanism } = settings;
  return {
    brokers: settings.KAFKA_BROKERS ?? [],
    clientId: settings.KAFKA_CLIENT_ID,
    connectionTimeoutMs: settings.KAFKA_CONNECTION_TIMEOUT,
    requestTimeoutMs: settings.KAFKA_REQUEST_TIMEOUT,
    compression: settings.KAFKA_COMPRESSION,
    ...(isEncrypted(settings) && { tls: () => certificates(settings) }),
    ...(mechanism && {
      sasl: {
        mechanism,
        username: settings.KAFKA_SASL_USERNAME ?? "",
        password: settings.KAFKA_SASL_PASSWORD ?? "",
      },
    }),
  };
}

function certificates({ KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY }: KafkaSettings) {
  return {
    ...(KAFKA_SSL_CA && { ca: readPem(KAFKA_SSL_CA) }),
    ...(KAFKA_SSL_CERT && { cert: readPem(KAFKA_SSL_CERT) }),
    ...(KAFKA_SSL_KEY && { key: readPem(KAFKA_SSL_KEY) }),
  };
}
