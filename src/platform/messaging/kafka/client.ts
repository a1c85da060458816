/** How this program connects to Kafka: one set of limits and one log for everything kafkajs does. */
import { type ISocketFactory, Kafka, type logCreator, logLevel, type RetryOptions } from "kafkajs";
import type { Logger } from "../../telemetry/logger.ts";
import { registerCodecs } from "./compression.ts";
import { createKafkaSockets, type KafkaObserver, type KafkaTls } from "./sockets.ts";

type SaslMechanism = "plain" | "scram-sha-256" | "scram-sha-512";

export type KafkaSasl = {
  [M in SaslMechanism]: {
    readonly mechanism: M;
    readonly username: string;
    readonly password: string;
  };
}[SaslMechanism];

export interface KafkaClientOptions {
  /** host:port each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Asked for each connection; undefined: not encrypted. */
  readonly tls?: (() => KafkaTls) | undefined;
  readonly sasl?: KafkaSasl | undefined;
  readonly logger: Logger;
  readonly connectionTimeoutMs?: number | undefined;
  readonly requestTimeoutMs?: number | undefined;
  /** Makes the connections; tests put a faulty network in between. */
  readonly socketFactory?: ISocketFactory | undefined;
  readonly observer?: KafkaObserver | undefined;
}

export const connectionTimeoutMs = 4_000;
/** A broker that fell silent is given up after this; the default of 30 s would stall a failover. */
export const requestTimeoutMs = 8_000;
/** Bounded: the client's default for idempotent producers never settles while the brokers are away. */
export const retry: RetryOptions = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 };

export function createKafkaClient(options: KafkaClientOptions): Kafka {
  muteNegativeTimeouts();
  registerCodecs();
  return new Kafka({ ...connectionOptions(options), logLevel: logLevel.INFO });
}

export function connectionOptions(options: KafkaClientOptions) {
  const { brokers, clientId, tls, sasl, logger, observer } = options;
  return {
    brokers: [...brokers],
    clientId,
    connectionTimeout: options.connectionTimeoutMs ?? connectionTimeoutMs,
    authenticationTimeout: 10_000,
    requestTimeout: options.requestTimeoutMs ?? requestTimeoutMs,
    enforceRequestTimeout: true,
    retry,
    logCreator: logTo(logger),
    // It only says so in its log; our sockets are encrypted or not by themselves.
    ssl: tls !== undefined,
    ...(sasl === undefined ? {} : { sasl }),
    socketFactory: options.socketFactory ?? createKafkaSockets(tls, observer),
  };
}

const repeatMs = 30_000;
/** It is meant: a send without an end would be worse, and no producer is used again after one. */
const expectedWarning =
  "Limiting retries for the idempotent producer may invalidate EoS guarantees";

/**
 * What kafkajs calls an error is nearly always something it tries again by itself, many times a
 * second while a broker is away: a warning here, and the same one at most every half minute. Real
 * failures reach our log by rejection.
 */
export function logTo(logger: Logger): logCreator {
  const warnedAt = new Map<string, number>();
  const isNews = (message: string): boolean => {
    const now = performance.now();
    if (now - (warnedAt.get(message) ?? Number.NEGATIVE_INFINITY) < repeatMs) return false;
    if (warnedAt.size > 100) warnedAt.clear();
    warnedAt.set(message, now);
    return message !== expectedWarning;
  };
  return () =>
    ({ level, namespace, log }) => {
      const { message, timestamp: _, logger: __, ...fields } = log;
      const about = { ...fields, kafka: namespace };
      if (level <= logLevel.WARN && isNews(message)) logger.warn(about, message);
      else logger.debug(about, message);
    };
}

/**
 * kafkajs sets a timer of the past at each connection, which the runtime warns of. Other warnings
 * are printed as before.
 */
function muteNegativeTimeouts(): void {
  const printers = process.listeners("warning");
  if (printers.some(({ name }) => name === printOthers.name)) return;
  function printOthers(warning: Error): void {
    if (warning.name === "TimeoutNegativeWarning") return;
    for (const print of printers) print.call(process, warning);
  }
  process.removeAllListeners("warning");
  process.on("warning", printOthers);
}
