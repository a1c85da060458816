/**
 * The sandbox behind the provider port: a provider with ids, keys, delays and failures of its own.
 * It answers from its book as a remote system would; transfers and refunds are confirmed later, by
 * webhook.
 */
import { sha256Hex } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database/database";
import type {
  Lookup,
  Outcome,
  PaymentProvider,
  ProviderCall,
  ProviderRequest,
  RefusalCode,
} from "../../provider.ts";
import { ofAttempt } from "../attempts.ts";
import {
  accountOf,
  type BookObject,
  changeObject,
  insertObject,
  lockObject,
  type NewObject,
  type ObjectKind,
  objectIdFor,
  paymentOf,
  refundOf,
  reversalOf,
  transferOf,
} from "./book.ts";
import { available, foreignOf, reverse, sellerBalance } from "./disputes.ts";
import { has } from "./magic.ts";
import { listEvents, listMovements } from "./movements.ts";
import { readWebhook } from "./read-webhook.ts";

export interface SandboxOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** The first signs; all verify. */
  readonly webhookSecrets: readonly string[];
}

/** What is saved under a key and replayed: an object, a refusal, or an error. */
type Saved =
  | { readonly object: string }
  | { readonly refused: RefusalCode }
  | { readonly error: true };

const keysKeptMs = 24 * 3_600_000;
const busyCalls = 2;

export function createSandboxProvider(options: SandboxOptions): PaymentProvider {
  const { db, clock, webhookSecrets } = options;
  const call = <T>(kind: ObjectKind | "cancel", read: (object: BookObject) => T) => {
    return async (given: ProviderCall): Promise<Outcome<T>> => {
      const answer = await db.withTx((tx) => answerCall(tx, kind, given, clock.now()));
      if (answer.kind !== "succeeded") return answer;
      // The answer is lost on its way back, the first time; the effect stands.
      if (answer.calls === 1 && kind === "transfer" && has(given.request.sellerId, "timeout")) {
        return { kind: "unknown", replayed: false, detail: "no answer in time" };
      }
      return { kind: "succeeded", value: read(answer.value) };
    };
  };
  const get = <T>(read: (object: BookObject) => T) => {
    return async (objectId: string): Promise<Outcome<T>> => {
      const [object] = await db.sql<BookObject>`
        SELECT * FROM sandbox.object WHERE object_id = ${objectId}`;
      if (object !== undefined) return { kind: "succeeded", value: read(object) };
      return { kind: "refused", code: "NOT_FOUND", detail: `no object ${objectId}` };
    };
  };
  const find = <T>(kind: ObjectKind, read: (object: BookObject) => T) => {
    return async ({ key, request }: Lookup): Promise<Outcome<T | undefined>> => {
      const { escrowId, operationId } = request;
      const found = await db.sql<BookObject>`
        SELECT * FROM sandbox.object
        WHERE group_id = ${escrowId} AND kind = ${kind} AND operation_id = ${operationId}
        ORDER BY created_at DESC`;
      const object = ofAttempt(found, key, ({ attempt_key: attemptKey, status }) => {
        return { attemptKey, failed: status === "failed" };
      });
      return { kind: "succeeded", value: object && read(object) };
    };
  };
  return {
    describe: () => ({
      name: "sandbox",
      live: false,
      timeoutMs: 5_000,
      readyByDefault: (partyId) => !has(partyId, "unready"),
    }),
    createPayment: call("payment", paymentOf),
    cancelPayment: call("cancel", paymentOf),
    createTransfer: call("transfer", transferOf),
    createRefund: call("refund", refundOf),
    getPayment: get(paymentOf),
    getTransfer: get(transferOf),
    getRefund: get(refundOf),
    getAccount: get(accountOf),
    findPayment: find("payment", paymentOf),
    findTransfer: find("transfer", transferOf),
    findRefund: find("refund", refundOf),
    createReversal: call("reversal", reversalOf),
    getReversal: get(reversalOf),
    findReversal: find("reversal", reversalOf),
    getForeign: async (objectId) => {
      const [object] = await db.sql<BookObject>`
        SELECT * FROM sandbox.object WHERE object_id = ${objectId}`;
      return { kind: "succeeded", value: object && foreignOf(object) };
    },
    listEvents: async (request) => ({ kind: "succeeded", value: await listEvents(db, request) }),
    listMovements: async (request) => ({
      kind: "succeeded",
      value: await listMovements(db, request),
    }),
    createAccount: async ({ partyId }) => ({
      kind: "succeeded",
      value: accountOf(await db.withTx((tx) => openAccount(tx, partyId, clock.now()))),
    }),
    verifyWebhook: async (bytes, headers) =>
      readWebhook(bytes, headers, { webhookSecrets, wall: clock.wall() }),
  };
}

type Answered = Outcome<BookObject> & { readonly calls?: number };

/** Looks at the key first: what was answered under it is answered again, errors included. */
async function answerCall(
  tx: Tx,
  kind: ObjectKind | "cancel",
  { key, bytes, request }: ProviderCall,
  now: Date,
): Promise<Answered> {
  await tx.sql`
    DELETE FROM sandbox.saved_answer
    WHERE key = ${key} AND saved_at < ${new Date(now.getTime() - keysKeptMs)}`;
  const bodyHash = sha256Hex(Buffer.from(bytes).toString("utf8"));
  const [row] = await tx.sql<{ body_hash: string; answer: Saved | null; calls: number }>`
    INSERT INTO sandbox.saved_answer AS s (key, body_hash, answer, calls, saved_at)
    VALUES (${key}, ${bodyHash}, NULL, 1, ${now})
    ON CONFLICT (key) DO UPDATE SET calls = s.calls + 1
    RETURNING body_hash, answer, calls`;
  const calls = row?.calls ?? 1;
  if (row !== undefined && row.body_hash !== bodyHash) {
    return { kind: "unknown", replayed: true, detail: "the key was used with other parameters" };
  }
  if (kind === "transfer" && has(request.sellerId, "busy") && calls <= busyCalls) {
    return { kind: "retry", afterMs: 1_000 };
  }
  const saved = row?.answer ?? (await execute(tx, kind, key, request, now));
  await tx.sql`
    UPDATE sandbox.saved_answer SET answer = ${JSON.stringify(saved)}::jsonb WHERE key = ${key}`;
  return { ...(await outcomeOf(tx, saved, calls)), calls };
}

async function outcomeOf(tx: Tx, saved: Saved, calls: number): Promise<Outcome<BookObject>> {
  if ("refused" in saved) return { kind: "refused", code: saved.refused, detail: "refused" };
  if ("error" in saved) {
    return { kind: "unknown", replayed: calls > 1, detail: "internal error of the provider" };
  }
  const object = await lockObject(tx, saved.object);
  if (object === undefined) throw new Error(`the sandbox lost ${saved.object}`);
  return { kind: "succeeded", value: object };
}

async function execute(
  tx: Tx,
  kind: ObjectKind | "cancel",
  key: string,
  request: ProviderRequest,
  now: Date,
): Promise<Saved> {
  switch (kind) {
    case "payment": {
      const object = newObject("payment", { key, request, now }, "requires_payment");
      await insertObject(tx, object, now);
      return { object: object.object_id };
    }
    case "cancel":
      return cancel(tx, request, now);
    case "transfer":
      return transfer(tx, key, request, now);
    case "refund":
      return refund(tx, key, request, now);
    case "reversal": {
      const reversal = await reverse(tx, key, request, now);
      if (reversal !== undefined) return { object: reversal.object_id };
      const left = await sellerBalance(tx, request.sellerId, request.currency);
      const short = left < BigInt(request.amount);
      return { refused: short ? "BALANCE_TOO_SMALL" : "PROVIDER_REFUSED" };
    }
    case "account":
    case "dispute":
    case "warning":
    case "payout":
      throw new Error(`${kind} is made without a key`);
    default:
      return kind satisfies never;
  }
}

async function cancel(tx: Tx, request: ProviderRequest, now: Date): Promise<Saved> {
  const payment = await lockObject(tx, request.paymentRef);
  if (payment === undefined) return { refused: "NOT_FOUND" };
  if (payment.status === "succeeded" || payment.status === "processing") {
    return { refused: "NOT_POSSIBLE" };
  }
  await changeObject(tx, payment, { status: "cancelled" }, "payment.cancelled", now);
  return { object: payment.object_id };
}

async function transfer(tx: Tx, key: string, request: ProviderRequest, now: Date): Promise<Saved> {
  // The first attempt's key answers with a saved error for ever; nothing was executed.
  if (has(request.sellerId, "broken") && key.endsWith(".1")) return { error: true };
  if (has(request.sellerId, "refused")) return { refused: "PROVIDER_REFUSED" };
  if (!(await isReady(tx, request.sellerId))) return { refused: "SELLER_NOT_READY" };
  return draw(tx, "transfer", key, request, now, "succeeded");
}

async function refund(tx: Tx, key: string, request: ProviderRequest, now: Date): Promise<Saved> {
  const fails = has(request.buyerId, "refundfails") && key.endsWith(".1");
  return draw(tx, "refund", key, request, now, fails ? "failed" : "succeeded");
}

/** Takes money out of a payment; never more than is left of it. */
async function draw(
  tx: Tx,
  kind: "transfer" | "refund",
  key: string,
  request: ProviderRequest,
  now: Date,
  nextStatus: string,
): Promise<Saved> {
  // A transfer that draws on no payment is out of the platform's own balance.
  if (kind === "refund" || request.paymentRef !== "") {
    const payment = await lockObject(tx, request.paymentRef);
    if (payment === undefined) return { refused: "NOT_FOUND" };
    if ((await available(tx, payment)) < BigInt(request.amount)) {
      return { refused: "PROVIDER_REFUSED" };
    }
  }
  // A key that was forgotten pays again, as with a real provider.
  const object = newObject(kind, { key, request, now }, "pending");
  await insertObject(tx, { ...object, next_at: now, next_status: nextStatus }, now);
  return { object: object.object_id };
}

function newObject(
  kind: ObjectKind,
  { key, request, now }: Lookup & { readonly now: Date },
  status: string,
): NewObject {
  return {
    // A key that was forgotten makes another one.
    object_id: objectIdFor(kind, `${key} ${now.toISOString()}`),
    attempt_key: key,
    kind,
    operation_id: request.operationId,
    group_id: request.escrowId,
    source_id: request.paymentRef === "" ? null : request.paymentRef,
    buyer_id: request.buyerId,
    seller_id: request.sellerId,
    status,
    amount: BigInt(request.amount),
    currency: request.currency,
    details: {},
    next_at: null,
    next_status: null,
  };
}

async function isReady(tx: Tx, partyId: string): Promise<boolean> {
  const [account] = await tx.sql<{ status: string }>`
    SELECT status FROM sandbox.object WHERE object_id = ${objectIdFor("account", partyId)}`;
  return account === undefined ? !has(partyId, "unready") : account.status === "READY";
}

async function openAccount(tx: Tx, partyId: string, now: Date): Promise<BookObject> {
  const objectId = objectIdFor("account", partyId);
  const there = await lockObject(tx, objectId);
  if (there !== undefined) return there;
  const account: BookObject = {
    object_id: objectId,
    kind: "account",
    operation_id: "",
    attempt_key: "",
    group_id: partyId,
    source_id: null,
    buyer_id: "",
    seller_id: partyId,
    status: has(partyId, "unready") ? "PENDING" : "READY",
    amount: 0n,
    currency: "",
    details: {},
    next_at: null,
    next_status: null,
    events: 0,
  };
  await insertObject(tx, account, now);
  return account;
}
