/**
 * The whole system in this process for flow tests: act over HTTP, `await settle()`, look at answers.
 * Each app has its own database in memory and its own port.
 */

import { bindListener } from "../../src/cli/http-listener.ts";
import { type Server, startOn } from "../../src/cli/serve.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { openPglite } from "../../src/platform/database/pglite.ts";
import { mintToken } from "../../src/platform/http/token.ts";
import { type Logger, silentLogger } from "../../src/platform/telemetry/logger.ts";
import { migrateAll, openStores, type Stores } from "../../src/stores.ts";
import { type Answered, type Reference, referenceOf } from "./reference.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what a client sees is untyped JSON
  readonly body: any;
}

export interface PostOptions {
  readonly key?: string;
  readonly wait?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Client {
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** With a fresh Idempotency-Key unless `key` is given, and `Prefer: wait=5`. */
  post(path: string, body?: unknown, options?: PostOptions): Promise<Answer>;
  put(path: string, body: unknown): Promise<Answer>;
  delete(path: string): Promise<Answer>;
}

export interface TestApp {
  readonly url: string;
  readonly server: Server;
  /** Who calls; roles only add rights. */
  as(subject: string, ...roles: string[]): Client;
  /** The same as a bearer token. */
  token(subject: string, ...roles: string[]): Promise<string>;
  /** Waits for all that follows within the next two seconds of business time. */
  settle(): Promise<void>;
  /** Moves business time and waits for all that follows. */
  advance(by: string): Promise<Answer>;
  stop(): Promise<void>;
}

const jwtSecret = "a secret for tests, thirty-two bytes and more";

export function testConfig(environment: Record<string, string> = {}): Config {
  const defaults = {
    MEMORY: "true",
    PORT: "0",
    JWT_SECRET: jwtSecret,
    DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
    RATE_LIMIT_PER_SECOND: "100000",
  };
  return loadConfig({ environment: { ...defaults, ...environment } }, { serving: true });
}

export async function startApp(): Promise<TestApp> {
  return startAppOn(await memoryStores());
}

/** With settings of its own. */
export async function startAppWith(environment: Record<string, string>): Promise<TestApp> {
  return startAppOn(await memoryStores(), environment);
}

/** A database of its own in memory, copied from one that was migrated once for all tests. */
export async function memoryStores(): Promise<Stores> {
  return openStores(testConfig(), silentLogger, snapshot);
}

let migrated: Promise<Blob> | undefined;

function snapshot(): Promise<Blob> {
  migrated ??= (async () => {
    const db = await openPglite();
    await migrateAll({ platform: db, escrow: db, payments: db, projections: db });
    const copy = await db.dumpSnapshot();
    await db.close();
    return copy;
  })();
  return migrated;
}

/** The same on stores that outlive the app. */
export async function startAppOn(
  stores: Stores,
  environment: Record<string, string> = {},
  logger: Logger = silentLogger,
): Promise<TestApp> {
  const config = testConfig(environment);
  return appOf(await startOn({ config, stores, logger, listener: bindListener(config) }));
}

/** Of the first app: what others serve is the same, or less. */
let reference: Promise<Reference> | undefined;

async function refuseMisfit(answered: Answered): Promise<void> {
  const misfit = (await reference)?.misfit(answered);
  if (misfit === undefined) return;
  const { method, path, status } = answered;
  throw new Error(`${method} ${path} answered ${status}, and the reference is not so: ${misfit}`);
}

function appOf(server: Server): TestApp {
  reference ??= referenceOf(server.application.http.routes);
  const as = (subject: string, ...roles: string[]): Client =>
    createClient(server.url, subject, roles);
  const app: TestApp = {
    url: server.url,
    server,
    as,
    token: tokenOf,
    async settle() {
      const settled = await app.advance("PT2S");
      if (settled.status !== 200) throw new Error(`not settled: ${JSON.stringify(settled.body)}`);
    },
    advance: (by) => as("operator", "admin").post("/sandbox/clock/advance", { by }),
    async stop() {
      await server.stop();
    },
  };
  return app;
}

function tokenOf(subject: string, ...roles: string[]): Promise<string> {
  return mintToken({
    secret: new TextEncoder().encode(jwtSecret),
    sub: subject,
    roles,
    issuer: "app",
    audience: "app",
    ttl: 3_600,
  });
}

function createClient(url: string, subject: string, roles: readonly string[]): Client {
  const token = tokenOf(subject, ...roles);
  async function call(path: string, init: RequestInit): Promise<Answer> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${await token}`);
    const response = await fetch(`${url}${path}`, { ...init, headers });
    const text = await response.text();
    const { status } = response;
    const type = response.headers.get("Content-Type") ?? "";
    const body = text === "" ? undefined : JSON.parse(text);
    await refuseMisfit({ method: init.method ?? "GET", path, status, type, body });
    return { status, headers: response.headers, body };
  }
  return {
    get: (path, headers = {}) => call(path, { headers }),
    put: (path, body) =>
      call(path, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    delete: (path) => call(path, { method: "DELETE" }),
    post: (path, body = {}, { key = crypto.randomUUID(), wait = true, headers = {} } = {}) =>
      call(path, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Idempotency-Key": key,
          ...(wait && { Prefer: "wait=5" }),
          ...headers,
        },
        body: JSON.stringify(body),
      }),
  };
}
