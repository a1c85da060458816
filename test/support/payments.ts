/**
 * The payments module alone, on a database in memory: commands and webhooks go straight into its
 * handlers, its workers are stepped one by one, and time moves only when a test says so.
 */
import { create, fromBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { Actor_Kind, ActorSchema, MoneySchema } from "#gen/escrow/v1/types_pb";
import {
  type Command,
  CommandSchema,
  CreatePaymentIntentSchema,
  InitiateRefundSchema,
  TransferToSellerSchema,
} from "#gen/payments/v1/commands_pb";
import { type Event, EventSchema } from "#gen/payments/v1/events_pb";
import { sha256Hex } from "#kernel/ids";
import { createManualClock, type ManualClock } from "#platform/clock-manual";
import type { Database } from "#platform/database/database";
import { migrate } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import { createAuth } from "#platform/http/auth";
import { fingerprintKeyFrom } from "#platform/http/idempotency";
import { createHttp } from "#platform/http/server";
import { mintToken } from "#platform/http/token";
import type { AnyHandler, Incoming, Outgoing } from "#platform/messaging/handler";
import { createOutbox } from "#platform/messaging/outbox";
import type { HttpEnv, Worker } from "#platform/module";
import { createKeyring } from "#platform/sealing/keyring";
import { silentLogger } from "#platform/telemetry/logger";
import { createHealth } from "#platform/workers/health";
import { createPayments, type PaymentsModule } from "../../src/modules/payments/index.ts";
import type { PaymentProvider } from "../../src/modules/payments/provider.ts";
import { freshPglite } from "./databases.ts";

const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const names = { issuer: "app", audience: "app" };
const dataKey = new Uint8Array(32).fill(7);
const webhookSecret = "whsec_test";

export interface PaymentsWorld {
  readonly db: Database;
  readonly clock: ManualClock;
  readonly payments: PaymentsModule;
  readonly app: Hono<HttpEnv>;
  /** Webhooks the log kept and the handler has not seen. */
  readonly inbox: Outgoing[];
  /** Gives the commands to their handler in one transaction. */
  handle(...commands: readonly Command[]): Promise<void>;
  worker(name: string): Worker;
  /** Until nothing is left to do at the present time. */
  settle(): Promise<void>;
  /** A batch of webhooks into their handler. */
  takeWebhooks(): Promise<void>;
  events(escrowId: string): Promise<readonly Event[]>;
  funds(escrowId: string): Promise<Record<string, string>>;
  call(
    method: string,
    path: string,
    options?: { as?: string; roles?: string[]; body?: unknown; onBehalfOf?: string; key?: string },
  ): Promise<Response>;
}

export async function openPaymentsDatabase(): Promise<Database> {
  const db = await freshPglite();
  const { modules, templates } = await loadMigrations();
  const of = (name: string) => ({ name, schema: name, migrations: modules.get(name) ?? [] });
  await migrate(db, [{ ...of("payments"), templates }, of("keyring")]);
  return db;
}

export function createPaymentsWorld(
  db: Database,
  {
    providers = [],
    toleranceMinor = 0n,
  }: { providers?: readonly PaymentProvider[]; toleranceMinor?: bigint } = {},
): PaymentsWorld {
  const clock = createManualClock();
  const outbox = createOutbox({
    schema: "payments",
    writer: "payments",
    producerName: "test",
    clock,
  });
  const inbox: Outgoing[] = [];
  const commands: Command[] = [];
  const publisher = {
    publish: async (outgoing: Outgoing) => {
      if (outgoing.topic.name === "webhook.events.v1") inbox.push(outgoing);
      else commands.push(outgoing.message as Command);
      return { topic: outgoing.topic.name, partition: 0, offset: 0n, appendedAt: clock.wall() };
    },
    close: async () => undefined,
  };
  const app = createHttp({
    auth: createAuth({ keys: { secret }, ...names, clock }),
    health: createHealth({ clock }),
    logger: silentLogger,
    clock,
    rateLimit: { perSecond: 10_000, burst: 10_000 },
  });
  const post = (async (url: string | URL | Request, init?: RequestInit) =>
    app.request(String(url), init)) as typeof fetch;
  const payments = createPayments({
    db,
    outbox,
    publisher,
    keyring: createKeyring({ db, dataKey }),
    clock,
    logger: silentLogger,
    fingerprintKey: fingerprintKeyFrom(dataKey),
    holdingLimits: "*/*=90,*/US=730,*/TH=10",
    proof: { sweepEveryMs: 300_000, reconcileEveryMs: 3_600_000, toleranceMinor },
    sandbox: { webhookUrl: () => "/v1/webhooks/sandbox", webhookSecrets: [webhookSecret], post },
    providers,
  });
  if (payments.routes) app.route("/", payments.routes);
  const handlerOf = (name: string): AnyHandler => {
    const handler = payments.handlers.find((candidate) => candidate.name === name);
    if (handler === undefined) throw new Error(`no handler ${name}`);
    return handler;
  };
  const run = (name: string, messages: readonly Incoming[]) =>
    db.withTx(async (tx) => {
      const each = (decide: (message: Incoming) => void) => messages.forEach(decide);
      const said = await handlerOf(name).handleBatch(tx, { messages, each });
      await outbox.enqueue(tx, said);
    });
  const handle = (...given: readonly Command[]) => run("payments.commands", given.map(incoming));
  const takeWebhooks = async () => {
    const taken = inbox.splice(0);
    const seen = new Set<string>();
    const messages = taken
      .map(({ message, correlationId }) => ({ ...incoming(message as Command), correlationId }))
      .filter(({ message }) => {
        const { eventId } = message as unknown as { eventId: string };
        return !seen.has(eventId) && seen.add(eventId);
      });
    if (messages.length > 0) await run("payments.webhooks", messages);
  };
  async function settle(): Promise<void> {
    for (let round = 0; round < 200; round += 1) {
      let worked = false;
      if (commands.length > 0) await handle(...commands.splice(0));
      for (const worker of payments.workers) worked = (await worker.step()) === "worked" || worked;
      if (inbox.length > 0) {
        await takeWebhooks();
        worked = true;
      }
      if (!worked && commands.length === 0) return;
    }
    throw new Error("payments does not come to rest");
  }
  return {
    db,
    clock,
    payments,
    app,
    inbox,
    handle,
    takeWebhooks,
    settle,
    worker: (name) => {
      const worker = payments.workers.find((candidate) => candidate.name === name);
      if (worker === undefined) throw new Error(`no worker ${name}`);
      return worker;
    },
    events: (escrowId) => eventsOf(db, escrowId),
    funds: (escrowId) => fundsOf(db, escrowId),
    call: async (method, path, options = {}) => {
      const { as = "alice", roles = [], body, onBehalfOf, key = crypto.randomUUID() } = options;
      const ttl = 600;
      const now = clock.wall();
      const token = await mintToken({ secret, sub: as, roles, ...names, ttl, now });
      return app.request(path, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          "Content-Type": "application/json",
          "Idempotency-Key": key,
          ...(onBehalfOf && { "On-Behalf-Of": onBehalfOf }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    },
  };
}

function incoming(message: Command): Incoming<Command> {
  return {
    message,
    messageType: "",
    topic: "",
    partition: 0,
    offset: 0n,
    key: message.escrowId,
    messageId: message.commandId,
    headers: {},
    appendedAt: new Date(),
    correlationId: "corr",
  };
}

async function eventsOf(db: Database, escrowId: string): Promise<readonly Event[]> {
  const rows = await db.sql<{ payload: Uint8Array }>`
    SELECT payload FROM payments.history WHERE escrow_id = ${escrowId} ORDER BY version`;
  return rows.map(({ payload }) => fromBinary(EventSchema, payload));
}

async function fundsOf(db: Database, escrowId: string): Promise<Record<string, string>> {
  const [row] = await db.sql<Record<string, bigint>>`
    SELECT funded, pending, held, reserved, released, refunded, fees, charged_back, blocked
    FROM payments.payment WHERE escrow_id = ${escrowId}`;
  const entries = Object.entries(row ?? {}).filter(([, amount]) => amount !== 0n);
  return Object.fromEntries(entries.map(([part, amount]) => [part, amount.toString()]));
}

let commandNo = 0;

export interface CommandOptions {
  readonly commandId?: string;
  readonly actor?: { readonly id: string; readonly roles: string[] };
}

export function commandFor(
  escrowId: string,
  body: Command["body"],
  { commandId, actor }: CommandOptions = {},
): Command {
  commandNo += 1;
  return create(CommandSchema, {
    commandId: commandId ?? sha256Hex(`command ${commandNo}`),
    escrowId,
    actor: create(ActorSchema, { kind: Actor_Kind.SYSTEM, ...actor }),
    correlationId: "corr",
    body,
  });
}

export interface Deal {
  readonly buyerId?: string;
  readonly sellerId?: string;
  readonly serviceId?: string;
  readonly amount?: bigint;
  readonly provider?: string;
}

/** 10000 USD with a buyer's fee of 320 and a seller's of 50. */
export function openPayment(escrowId: string, deal: Deal = {}): Command {
  const { buyerId = "alice", sellerId = "bob", serviceId = "", amount = 10_000n } = deal;
  const { provider = "sandbox" } = deal;
  const value = create(CreatePaymentIntentSchema, {
    buyerId,
    sellerId,
    serviceId,
    amount: create(MoneySchema, { amount, currency: "USD" }),
    buyerFee: 320n,
    sellerFee: 50n,
    provider,
  });
  return commandFor(escrowId, { case: "createPaymentIntent", value });
}

export function transfer(
  escrowId: string,
  operationId: string,
  amount = 10_000n,
  {
    sellerId = "bob",
    fee = 50n,
    commandId,
  }: { sellerId?: string; fee?: bigint; commandId?: string } = {},
): Command {
  const money = create(MoneySchema, { amount, currency: "USD" });
  const value = create(TransferToSellerSchema, { operationId, sellerId, amount: money, fee });
  return commandFor(
    escrowId,
    { case: "transferToSeller", value },
    commandId === undefined ? {} : { commandId },
  );
}

export function refund(
  escrowId: string,
  operationId: string,
  amount = 10_000n,
  feeReturned = 320n,
): Command {
  const money = create(MoneySchema, { amount, currency: "USD" });
  const value = create(InitiateRefundSchema, {
    operationId,
    buyerId: "alice",
    amount: money,
    feeReturned,
  });
  return commandFor(escrowId, { case: "initiateRefund", value });
}

/** The names of what was said, without what is only for the timeline. */
export function namesOf(events: readonly Event[]): string[] {
  const timeline = ["ledgerPosted", "providerCallFinished", "webhookHandled"];
  return events.flatMap(({ body }) =>
    body.case === undefined || timeline.includes(body.case) ? [] : [body.case],
  );
}
