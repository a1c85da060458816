/**
 * Plays the buyer's bank when it wants its money back, and the seller's when it is paid out. The
 * same key again is the same event, since whoever lost the reply will ask again.
 */
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database/database";
import {
  type BookObject,
  changeObject,
  type Details,
  insertObject,
  lockObject,
  type ObjectKind,
  objectIdFor,
  received,
} from "./book.ts";
import { available, reverse, sellerBalance, takenBy } from "./disputes.ts";

export interface PlayedDispute {
  /** Minor units; all that was paid when absent. */
  readonly amount: bigint | undefined;
  readonly reason: string;
  /** Only asks: no money moves. */
  readonly inquiry: boolean;
}

export type DisputeOutcome = "won" | "lost" | "prevented" | "escalate";

export interface PlayedPayout {
  /** Minor units; all there is when absent. */
  readonly amount: bigint | undefined;
  readonly currency: string;
  readonly outcome: "paid" | "failed";
}

/** Undefined or false: there is no such thing. Ids are the provider's. */
export interface DisputingBank {
  dispute(paymentId: string, played: PlayedDispute, key: string): Promise<string | undefined>;
  close(disputeId: string, outcome: DisputeOutcome): Promise<boolean>;
  /** The escrow a dispute's payment is of. */
  escrowOf(disputeId: string): Promise<string | undefined>;
  warn(paymentId: string, open: boolean): Promise<string | undefined>;
  /** On the provider's own pages, behind our back. */
  refund(paymentId: string, amount: bigint | undefined, key: string): Promise<string | undefined>;
  /** A transfer, taken back on the provider's own pages. */
  reverse(transferId: string, amount: bigint, key: string): Promise<boolean>;
  payOut(partyId: string, played: PlayedPayout, key: string): Promise<PayoutPlayed>;
}

/** Missing is the party's account here, or money on it. */
export type PayoutPlayed = { readonly id: string } | { readonly missing: "account" | "money" };

const disputeFee = 1_500n;
const daysToAnswer = 7;

export function createDisputingBank({
  db,
  clock,
}: {
  readonly db: Database;
  readonly clock: Clock;
}): DisputingBank {
  const now = () => clock.now();
  return {
    dispute: (paymentId, played, key) =>
      db.withTx((tx) => openDispute(tx, paymentId, played, key, now())),
    close: (disputeId, outcome) => db.withTx((tx) => close(tx, disputeId, outcome, now())),
    escrowOf: async (disputeId) => {
      const [row] = await db.sql<{ group_id: string }>`
        SELECT group_id FROM sandbox.object WHERE object_id = ${disputeId} AND kind = 'dispute'`;
      return row?.group_id;
    },
    warn: (paymentId, open) => db.withTx((tx) => warn(tx, paymentId, open, now())),
    refund: (paymentId, amount, key) =>
      db.withTx((tx) => refund(tx, paymentId, amount, key, now())),
    reverse: (target, amount, key) =>
      db.withTx(async (tx) => {
        const request = { target, amount: amount.toString(), operationId: "" };
        return (await reverse(tx, `foreign ${key}`, request, now())) !== undefined;
      }),
    payOut: (partyId, played, key) => db.withTx((tx) => payOut(tx, partyId, played, key, now())),
  };
}

async function openDispute(
  tx: Tx,
  paymentId: string,
  { amount: wanted, reason, inquiry }: PlayedDispute,
  key: string,
  now: Date,
): Promise<string | undefined> {
  const payment = await lockObject(tx, paymentId);
  if (payment?.kind !== "payment" || received(payment) === 0n) return undefined;
  const amount = wanted ?? received(payment);
  const dueBy = new Date(now.getTime() + daysToAnswer * 86_400_000).toISOString();
  const status = inquiry ? "inquiry" : "open";
  const dispute = { ...drawnOn(payment, "dispute", key), amount };
  const details = {
    reason,
    dueBy,
    movements: inquiry ? [] : [takenNow(dispute.object_id, amount, 0)],
  };
  return create(tx, dispute, { status, details }, "dispute.created", now);
}

function takenNow(disputeId: string, amount: bigint, index: number) {
  return {
    movementId: `${disputeId}_t${index}`,
    direction: "taken" as const,
    amount: amount.toString(),
    fee: disputeFee.toString(),
  };
}

async function close(
  tx: Tx,
  disputeId: string,
  outcome: DisputeOutcome,
  now: Date,
): Promise<boolean> {
  const dispute = await lockObject(tx, disputeId);
  if (dispute?.kind !== "dispute") return false;
  const movements = dispute.details.movements ?? [];
  const taken = takenBy(dispute);
  if (outcome === "escalate") {
    if (dispute.status !== "inquiry") return true;
    const movement = takenNow(disputeId, dispute.amount, movements.length);
    const details = { ...dispute.details, movements: [...movements, movement] };
    await changeObject(tx, dispute, { status: "open", details }, "dispute.updated", now);
    return true;
  }
  const status = dispute.status === "inquiry" ? "inquiry_closed" : outcome;
  if (dispute.status === status) return true;
  const back = {
    movementId: `${disputeId}_r${movements.length}`,
    direction: "reinstated" as const,
    amount: taken.toString(),
    fee: (-disputeFee).toString(),
  };
  const returned = outcome !== "lost" && taken > 0n;
  const details = { ...dispute.details, movements: returned ? [...movements, back] : movements };
  await changeObject(tx, dispute, { status, details }, "dispute.closed", now);
  // The provider gives the buyer his money before his bank can take it.
  if (status === "prevented")
    await refund(tx, dispute.source_id ?? "", dispute.amount, disputeId, now);
  return true;
}

async function warn(
  tx: Tx,
  paymentId: string,
  open: boolean,
  now: Date,
): Promise<string | undefined> {
  const payment = await lockObject(tx, paymentId);
  if (payment?.kind !== "payment") return undefined;
  const warning = drawnOn(payment, "warning", "");
  const status = open ? "open" : "closed";
  const there = await lockObject(tx, warning.object_id);
  if (there === undefined) return create(tx, warning, { status }, "warning.created", now);
  await changeObject(tx, there, { status }, "warning.updated", now);
  return there.object_id;
}

async function refund(
  tx: Tx,
  paymentId: string,
  wanted: bigint | undefined,
  key: string,
  now: Date,
): Promise<string | undefined> {
  const payment = await lockObject(tx, paymentId);
  if (payment?.kind !== "payment") return undefined;
  const there = await available(tx, payment);
  const amount = wanted ?? there;
  if (amount <= 0n || amount > there) return undefined;
  const made = { ...drawnOn(payment, "refund", `foreign ${key}`), amount };
  return create(tx, made, { status: "succeeded" }, "refund.succeeded", now);
}

async function payOut(
  tx: Tx,
  partyId: string,
  { amount: wanted, currency, outcome }: PlayedPayout,
  key: string,
  now: Date,
): Promise<PayoutPlayed> {
  const account = await lockObject(tx, objectIdFor("account", partyId));
  if (account === undefined) return { missing: "account" };
  const amount = wanted ?? (await sellerBalance(tx, partyId, currency));
  if (amount <= 0n) return { missing: "money" };
  const payout: BookObject = {
    ...drawnOn(account, "payout", key),
    source_id: null,
    seller_id: partyId,
    amount,
    currency,
  };
  const failure = outcome === "failed" ? { lastError: "account_closed" } : {};
  const details: Details = { account: account.object_id, ...failure };
  const change = { status: outcome, details };
  return { id: await create(tx, { ...payout, details }, change, `payout.${outcome}`, now) };
}

function drawnOn(parent: BookObject, kind: ObjectKind, key: string): BookObject {
  return {
    ...parent,
    object_id: objectIdFor(kind, `${parent.object_id} ${key}`),
    kind,
    operation_id: "",
    attempt_key: "",
    source_id: parent.object_id,
    status: "pending",
    details: {},
    next_at: null,
    next_status: null,
    events: 0,
  };
}

/** Unless it is there already. */
async function create(
  tx: Tx,
  object: BookObject,
  change: Parameters<typeof changeObject>[2],
  type: string,
  now: Date,
): Promise<string> {
  if ((await lockObject(tx, object.object_id)) !== undefined) return object.object_id;
  await insertObject(tx, object, now);
  await changeObject(tx, object, change, type, now);
  return object.object_id;
}
