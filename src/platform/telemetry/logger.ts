/**
 * The log port and its pino adapter. One JSON line per entry on stderr; secrets and personal data
 * are never handed to it, and the names below are masked in case one is.
 */
import pino from "pino";
import pretty from "pino-pretty";
import { errorName } from "../database/database-error.ts";
import { TransientError } from "../errors.ts";

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
  /** To spare the making of lines nobody reads; absent: made and thrown away. */
  isLevelEnabled?(level: "debug"): boolean;
}

const secretNames = [
  "authorization",
  "password",
  "secret",
  "token",
  "apiKey",
  "dataKey",
  "clientSecret",
  "signature",
  "cookie",
];

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** Lines for people instead of JSON. */
  readonly pretty: boolean;
  /** On every line. */
  readonly fields?: object;
}

export function createLogger({ level, pretty: forPeople, fields }: LoggerOptions): Logger {
  // No pino transport: it loads a file at run time, which a compiled binary does not have.
  const destination = forPeople
    ? pretty({
        sync: true,
        destination: 2,
        colorize: process.stderr.isTTY === true,
        ignore: "pid,hostname",
      })
    : pino.destination({ fd: 2, sync: true });
  const logger = pino(
    {
      level,
      redact: [...secretNames, ...secretNames.map((name) => `*.${name}`)],
      serializers: { err: level === "debug" ? whole : told },
    },
    destination,
  );
  return fields === undefined ? logger : logger.child(fields);
}

/**
 * A hiccup is tried again, many times while a server is away: where it was thrown helps nobody, and
 * what caused it does.
 */
function told(error: unknown): unknown {
  if (!(error instanceof TransientError)) return whole(error);
  const { name: type, message, cause } = error;
  const why =
    cause instanceof Error && !message.includes(cause.message) ? cause.message : undefined;
  return { type, message, cause: why };
}

/** By its own name: its class has another one in each compiled program. */
function whole(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { ...pino.stdSerializers.err(error), type: errorName(error) };
}

/** For tests and tools that want silence. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
