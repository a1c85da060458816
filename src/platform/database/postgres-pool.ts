/**
 * Connections to a PostgreSQL server with a deadline on everything asked of them. Keeps two rules:
 * nothing waits for ever, and nothing meant for a transaction runs on another connection.
 */
import postgres from "postgres";
import { TransientError } from "../errors.ts";
import { columnParsers } from "./column-types.ts";
import { sqlState } from "./database-error.ts";
import type { Run, Session } from "./queryable.ts";

export interface PostgresOptions {
  readonly url: string;
  readonly max?: number;
  readonly applicationName?: string;
  /** All in ms. Long jobs (migrations, checks) ask for more; 0 means no limit. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly idleInTransactionTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Longer than the statement timeout, so that normally the server is the first to give up. */
  readonly deadlineMs?: number;
  /** False behind a pooler in transaction mode. */
  readonly prepare?: boolean;
  readonly onnotice?: (notice: postgres.Notice) => void;
  readonly logger?: { warn(fields: object, message: string): void };
}

export interface Lease {
  readonly session: Session;
  release(): void;
}

export interface PostgresPool {
  /** Host, port and database: no password. */
  readonly location: string;
  readonly deadlineMs: number;
  run(query: Run): Promise<unknown[]>;
  script(text: string): Promise<string>;
  lease(): Promise<Lease>;
  close(): Promise<void>;
}

type Client = postgres.Sql;
/** A query has a state once it was given to a connection. */
type Asked<T> = PromiseLike<T> & { state?: unknown; cancel?(): void };

/** A busy event loop looks like a silent server: the answer may wait right behind the timer. */
const graceMs = 100;

export function createPostgresPool(options: PostgresOptions): PostgresPool {
  const { deadlineMs = 6000, logger } = options;
  let client = connect(options);
  let answeredAt = performance.now();

  function replace(silent: Client): void {
    if (silent !== client) return;
    logger?.warn({ deadlineMs }, "PostgreSQL fell silent: all its connections are replaced");
    client = connect(options);
    answeredAt = performance.now();
    void end(silent);
  }

  /** Rejects what is not answered in time. `late` gets an answer that comes after that. */
  function ask<T>(on: Client, asked: Asked<T>, late?: (value: T) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let expired = false;
      const expire = (): void => {
        expired = true;
        reject(new TransientError(`no answer from PostgreSQL within ${deadlineMs} ms`));
        const waiting = asked.state === undefined || asked.state === null;
        // It must not run after its caller was told that it failed.
        if (waiting) asked.cancel?.();
        // Waiting for a free connection while others are served is load, not silence.
        if (!waiting || performance.now() - answeredAt > deadlineMs) replace(on);
      };
      let timer = setTimeout(() => {
        timer = setTimeout(expire, graceMs);
      }, deadlineMs);
      asked.then(
        (value) => {
          clearTimeout(timer);
          answeredAt = performance.now();
          if (expired) late?.(value);
          resolve(value);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(translate(error));
        },
      );
    });
  }

  const run = async (on: Client, via: Client, { text, params, rows, prepare }: Run) => {
    const simple = { prepare: prepare && options.prepare !== false, simple: false };
    const query = via.unsafe(text, [...params], simple);
    return Array.from(await ask(on, rows === "arrays" ? query.values() : query));
  };
  const script = async (on: Client, via: Client, text: string) =>
    commandTag(await ask(on, via.unsafe(text).simple()));

  return {
    location: locationOf(options.url),
    deadlineMs,
    run: (query) => run(client, client, query),
    script: (text) => script(client, client, text),
    lease: async () => {
      const on = client;
      const reserved = await ask(on, on.reserve(), (late) => late.release());
      let lost: unknown;
      const guard = async <T>(work: () => Promise<T>): Promise<T> => {
        if (lost !== undefined) throw lost;
        try {
          return await work();
        } catch (error) {
          if (error instanceof TransientError) lost = error;
          throw error;
        }
      };
      return {
        session: {
          run: (query) => guard(() => run(on, reserved, query)),
          script: (text) => guard(() => script(on, reserved, text)),
          abandon: () => {
            if (lost === undefined) replace(on);
          },
        },
        release: () => reserved.release(),
      };
    },
    close: () => end(client),
  };
}

function connect(options: PostgresOptions): Client {
  return postgres(options.url, {
    max: options.max ?? 10,
    connect_timeout: (options.connectTimeoutMs ?? 3000) / 1000,
    // A pause before the next try; short, because what waits for it has a deadline.
    backoff: (tries) => Math.min(0.05 * 2 ** tries, 1),
    max_lifetime: null,
    fetch_types: false,
    types: columnTypes,
    onnotice: options.onnotice ?? (() => undefined),
    connection: sessionSettings(options),
  });
}

/** As text: the client would leave out a number 0, which means "no limit". */
function sessionSettings(options: PostgresOptions): Record<string, string> {
  return {
    application_name: options.applicationName ?? "app",
    TimeZone: "UTC",
    DateStyle: "ISO",
    statement_timeout: String(options.statementTimeoutMs ?? 5000),
    lock_timeout: String(options.lockTimeoutMs ?? 2000),
    idle_in_transaction_session_timeout: String(options.idleInTransactionTimeoutMs ?? 10_000),
  };
}

const columnTypes = Object.fromEntries(
  [...columnParsers].map(([oid, parse]) => [
    `t${oid}`,
    // Parameters are bound as text already (see statement.ts).
    { to: oid, from: [oid], serialize: (text: unknown) => text, parse },
  ]),
);

async function end(client: Client): Promise<void> {
  await client.end({ timeout: 0 }).catch(() => undefined);
}

/** The session is gone: admin shutdown, crash, not ready, idle too long, or no SQLSTATE at all. */
function translate(error: unknown): unknown {
  const state = sqlState(error);
  const gone = state === undefined || /^(08|57P|25P03)/.test(state);
  if (!gone || !(error instanceof Error)) return error;
  return new TransientError(`PostgreSQL connection: ${error.message}`, { cause: error });
}

/** Several statements answer an array of results, one statement a single one. */
function commandTag(result: object): string {
  const last: unknown = Array.isArray(result) && !("command" in result) ? result.at(-1) : result;
  const tag: unknown = last instanceof Object && "command" in last ? last.command : "";
  return String(tag);
}

function locationOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
