/**
 * Does what a provider says of a thing agree with what it was asked for, and with what it said of it
 * before? Pure. What contradicts itself is not booked: a person looks at it, its neighbours go on.
 */
import { TerminalError } from "#platform/errors";
import type { ProviderObject, ProviderPayment, Said } from "../provider.ts";
import { type BookedDeposit, type Operation, type Payment, paidByBuyer } from "./payment.ts";

export class Contradiction extends TerminalError {
  override readonly name = "Contradiction";
}

/** Throws where a word of the object's about itself is another than was asked for. */
export function assertAgrees(
  payment: Payment,
  object: ProviderObject,
  operation: Operation | undefined,
): void {
  const { said } = object;
  const asked = askedFor(payment, object, operation);
  if (said === undefined || asked === undefined) return;
  for (const word of words) {
    const [theirs, ours] = [said[word], asked[word]];
    if (theirs === undefined || ours === undefined || ours === "" || theirs === ours) continue;
    throw new Contradiction(`${object.objectId} says ${word} ${theirs}, asked for was ${ours}`);
  }
}

const words = ["amount", "currency", "target", "group", "paymentRef"] as const;

function askedFor(
  payment: Payment,
  { kind, objectId }: ProviderObject,
  operation: Operation | undefined,
): Said | undefined {
  const { escrowId: group, currency, providerRef } = payment;
  if (kind === "payment") return { amount: paidByBuyer(payment), currency, group };
  const current = operation?.objectId === undefined || operation.objectId === objectId;
  if (operation === undefined || !current) return undefined;
  const { net: amount, target, asset } = operation;
  const paymentRef = kind === "refund" ? { paymentRef: providerRef ?? "" } : {};
  return { amount, currency: asset || currency, target, group, ...paymentRef };
}

/**
 * Throws where a deposit that was booked is not there any more, or is another. What takes money back
 * is told by itself; a payment never forgets what it received.
 */
export function assertKept(
  { objectId, deposits }: ProviderPayment,
  booked: ReadonlyMap<string, BookedDeposit> | undefined,
): void {
  for (const { depositId, amount, currency } of booked?.values() ?? []) {
    const now = deposits.find((deposit) => deposit.depositId === depositId);
    if (now?.amount === amount && now.currency === currency) continue;
    const says = now === undefined ? "nothing" : `${now.amount} ${now.currency}`;
    throw new Contradiction(`${objectId} says ${says} of ${depositId}, booked is ${amount}`);
  }
}

const ended: ReadonlySet<Operation["state"]> = new Set([
  "SUCCEEDED",
  "FAILED",
  "REJECTED",
  "WITHDRAWN",
]);

/** Throws where what was over, one way or the other, is said to be otherwise. */
export function assertForward(
  { kind, objectId, status }: Exclude<ProviderObject, ProviderPayment>,
  operation: Operation,
): void {
  if (operation.objectId !== objectId || !ended.has(operation.state)) return;
  const was = operation.state === "SUCCEEDED" ? "succeeded" : "failed";
  if (status === was || (kind === "refund" && was === "succeeded" && status === "failed")) return;
  throw new Contradiction(`${objectId} is ${status} after it had ${was}`);
}

/**
 * Throws where an attempt that was over, so that a later one took its place, is said not to have
 * failed: what is asked for once would be paid twice.
 */
export function assertReplaced({ kind, objectId, status }: ProviderObject): void {
  if (kind === "payment" || status === "failed") return;
  throw new Contradiction(`${objectId} is ${status} though a later attempt took its place`);
}
