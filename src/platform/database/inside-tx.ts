/**
 * Knows whether the running code is inside a transaction's callback. Only the transaction's own
 * handle may be used there: on the single connection of the embedded database any other call would
 * wait for the transaction that waits for it, for ever and without an error. Both adapters and the
 * event log refuse it, so that the mistake shows up whichever database runs.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { TerminalError } from "../errors.ts";

const transactions = new AsyncLocalStorage<{ open: boolean }>();

export function insideTx(): boolean {
  return transactions.getStore()?.open === true;
}

/** Throws when called inside a transaction's callback; `what` names the call that was refused. */
export function refuseInsideTx(what: string): void {
  if (insideTx())
    throw new TerminalError(`${what} was called inside withTx: use the transaction's own handle`);
}

export async function runInsideTx<T>(work: () => Promise<T>): Promise<T> {
  const mark = { open: true };
  try {
    return await transactions.run(mark, work);
  } finally {
    // What the work left running (a timer, say) keeps the store, but is no longer inside.
    mark.open = false;
  }
}
