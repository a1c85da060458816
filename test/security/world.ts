/**
 * The escrow's HTTP face with a real database, and a log and outcomes that remember what they were
 * told: what a caller can reach without any worker running.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import type { Command } from "#gen/escrow/v1/commands_pb";
import { EscrowViewSchema } from "#gen/escrow/v1/queries_pb";
import { EscrowSchema } from "#gen/escrow/v1/types_pb";
import type { Clock } from "#platform/clock";
import { migrate } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import type { PgliteDatabase } from "#platform/database/pglite";
import { TerminalError, TransientError } from "#platform/errors";
import { createAuth } from "#platform/http/auth";
import { fingerprintKeyFrom } from "#platform/http/idempotency";
import type { CommandOutcome, Outcomes } from "#platform/http/outcomes";
import { createHttp } from "#platform/http/server";
import { mintToken } from "#platform/http/token";
import type { Outgoing } from "#platform/messaging/handler";
import type { HttpEnv } from "#platform/module";
import { createKeyring } from "#platform/sealing/keyring";
import { silentLogger } from "#platform/telemetry/logger";
import { createHealth } from "#platform/workers/health";
import { topics } from "#topics";
import { createEscrowRoutes } from "../../src/modules/escrow/http.ts";
import { freshPglite } from "../support/databases.ts";

const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const names = { issuer: "app", audience: "app" };
const dataKey = new Uint8Array(32).fill(9);

export interface Parties {
  readonly buyerId: string;
  readonly sellerId: string;
  readonly serviceId?: string;
  readonly createdBy?: string;
}

export interface World {
  readonly app: Hono<HttpEnv>;
  readonly db: PgliteDatabase;
  /** Commands the log acknowledged, in order. */
  readonly published: Command[];
  /** What the projections would know, by command id. */
  readonly outcomes: Map<string, CommandOutcome>;
  /** The log refuses while true. */
  setLogDown(down: boolean): void;
  /** The publisher finds every message to break a rule while true. */
  setRefusing(refusing: boolean): void;
  escrow(escrowId: string, parties: Parties): Promise<void>;
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
}

export interface CallOptions {
  /** Subject and roles of the token; no token at all for null. */
  readonly as?: string | null;
  readonly roles?: readonly string[];
  /** A string goes as it is. */
  readonly body?: unknown;
  /** Null takes away a header that is usually sent. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

let keys = 0;

/** A migrated database, for several worlds one after the other. */
export async function openDatabase(): Promise<PgliteDatabase> {
  const db = await freshPglite();
  await migrateAll(db);
  return db;
}

export function createWorld(db: PgliteDatabase, withOutcomes = true): World {
  const clock = quickClock();
  const published: Command[] = [];
  const outcomes = new Map<string, CommandOutcome>();
  let logDown = false;
  let refusing = false;
  const publisher = {
    publish: async ({ message, topic }: Outgoing) => {
      // The log is never at once: a second request arrives while the first is on its way.
      await Bun.sleep(1);
      if (logDown) throw new TransientError("no broker at 10.0.0.7:9092");
      if (refusing) throw new TerminalError("invalid message: an inner word");
      published.push(message as Command);
      const at = new Date("2026-01-01T00:00:00Z");
      return { topic: topic.name, partition: 0, offset: BigInt(published.length), appendedAt: at };
    },
  };
  const routes = createEscrowRoutes({
    publisher,
    keyring: createKeyring({ db, dataKey }),
    clock,
    fingerprintKey: fingerprintKeyFrom(dataKey),
    topics,
    db,
    preview: async ({ body }) => ({
      wouldSucceed: true,
      guards: [],
      events: [{ type: body.case ?? "" }],
      postings: [],
      providerCalls: [],
    }),
    ...(withOutcomes && { outcomes: knownOutcomes(outcomes) }),
  });
  const app = createHttp({
    auth: createAuth({ keys: { secret }, ...names, clock }),
    health: createHealth({ clock }),
    logger: silentLogger,
    clock,
    rateLimit: { perSecond: 10_000, burst: 10_000 },
  });
  app.route("/", routes);
  return {
    app,
    db,
    published,
    outcomes,
    setLogDown: (down) => {
      logDown = down;
    },
    setRefusing: (now) => {
      refusing = now;
    },
    escrow: (escrowId, parties) => insertEscrow(db, escrowId, parties),
    call: async (method, path, options = {}) => app.request(path, await requestOf(method, options)),
  };
}

async function tokenFor(sub: string, roles: readonly string[] = []): Promise<string> {
  return mintToken({ secret, sub, roles, ...names, ttl: 600 });
}

async function requestOf(method: string, options: CallOptions): Promise<RequestInit> {
  const { as = "alice", roles = [], body = {}, headers = {} } = options;
  keys += 1;
  const all: Record<string, string | null> = {
    "Content-Type": "application/json",
    "Idempotency-Key": `key-${keys}`,
    ...(as !== null && { Authorization: `Bearer ${await tokenFor(as, roles)}` }),
    ...headers,
  };
  const bodyless = method === "GET" || method === "HEAD";
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const sent = Object.entries(all).filter(
    (header): header is [string, string] => header[1] !== null,
  );
  return { method, headers: sent, ...(bodyless ? {} : { body: text }) };
}

function knownOutcomes(outcomes: Map<string, CommandOutcome>): Outcomes {
  const find = async (commandId: string) => outcomes.get(commandId);
  return {
    find,
    wait: find,
    view: async (escrowId) => create(EscrowViewSchema, { escrowId, version: 4n }),
  };
}

async function migrateAll(db: PgliteDatabase): Promise<void> {
  const { modules, templates } = await loadMigrations();
  const of = (name: string) => ({ name, schema: name, migrations: modules.get(name) ?? [] });
  await migrate(db, [{ ...of("escrow"), templates }, of("keyring")]);
}

async function insertEscrow(db: PgliteDatabase, escrowId: string, parties: Parties): Promise<void> {
  const { buyerId, sellerId, serviceId = "", createdBy = buyerId } = parties;
  const terms = {
    buyerId,
    sellerId,
    amount: { amount: 10_000n, currency: "USD" },
    milestones: [{ milestoneId: "m1", amount: 10_000n, title: { subject: buyerId, keyId: "k" } }],
    fundingDeadline: "PT72H",
    autoRelease: "P7D",
    provider: "sandbox",
    revision: 1,
  };
  const escrow = create(EscrowSchema, { escrowId, terms, serviceId, createdBy });
  await db.sql`
    INSERT INTO escrow.escrow (id, version, buyer_id, seller_id, currency, snapshot, funded, pending,
      held, reserved, released, refunded, fees, charged_back, blocked, updated_at)
    VALUES (${escrowId}, 1, ${buyerId}, ${sellerId}, 'USD', ${toBinary(EscrowSchema, escrow)},
      0, 0, 0, 0, 0, 0, 0, 0, 0, now())
    ON CONFLICT DO NOTHING`;
}

/** A second passes in ten steps of nothing, so that "waits up to a second" costs no second. */
function quickClock(): Clock {
  let ms = 0;
  return {
    now: () => new Date(),
    wall: () => new Date(),
    monotonicMs: () => ms,
    offsetMs: () => 0n,
    sleep: async (forMs) => {
      ms += forMs;
    },
  };
}
