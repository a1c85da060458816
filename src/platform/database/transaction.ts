/**
 * One transaction over one session, the same for both adapters. It commits whole or not at all: a
 * statement that failed outside a savepoint fails the transaction even when `work` swallowed the
 * error, a COMMIT that the server turned into a rollback is an error, and the handle refuses every
 * statement once the transaction has ended.
 */

import { TransientError } from "../errors.ts";
import type { Tx, TxOptions } from "./database.ts";
import { runInsideTx } from "./inside-tx.ts";
import { createQueryable, type Session } from "./queryable.ts";

/** Constant, so that it stays one statement; an inner savepoint hides the outer one until released. */
const savepointName = "app";

export async function runTransaction<T>(
  session: Session,
  work: (tx: Tx) => Promise<T>,
  { isolation = "read committed" }: TxOptions = {},
): Promise<T> {
  // Sent with the first statement: a session answers in order, and one that was lost answers nothing.
  const begun = session.script(`BEGIN ISOLATION LEVEL ${isolation}`);
  const handle = createHandle(session);
  begun.catch(handle.end);
  try {
    const result = await runInsideTx(() => work(handle.tx));
    handle.end();
    await begun;
    const tag = await session.script("COMMIT");
    // A statement that failed makes the server roll back, and say so only in the tag.
    if (tag !== "COMMIT") throw handle.failure ?? new TransientError(`COMMIT answered ${tag}`);
    return result;
  } catch (error) {
    handle.end();
    await session.script("ROLLBACK").catch((cause: unknown) => session.abandon(cause));
    throw error;
  }
}

interface Handle {
  readonly tx: Tx;
  end(): void;
  /** The first statement that failed and was not undone by a savepoint. */
  readonly failure: unknown;
}

function createHandle(session: Session): Handle {
  let open = true;
  let failure: unknown;
  const use = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!open) throw new TransientError("the transaction has ended");
    try {
      return await work();
    } catch (error) {
      failure ??= error;
      throw error;
    }
  };
  const script = async (text: string): Promise<void> => {
    await use(() => session.script(text));
  };
  const savepoint = async <T>(work: () => Promise<T>): Promise<T> => {
    await script(`SAVEPOINT ${savepointName}`);
    try {
      const result = await work();
      if (failure !== undefined) throw failure;
      await script(`RELEASE SAVEPOINT ${savepointName}`);
      return result;
    } catch (error) {
      await script(`ROLLBACK TO SAVEPOINT ${savepointName}; RELEASE SAVEPOINT ${savepointName}`);
      failure = undefined;
      throw error;
    }
  };
  return {
    tx: {
      ...createQueryable({ run: (query) => use(() => session.run(query)), script }),
      savepoint,
    },
    end: () => {
      open = false;
    },
    get failure() {
      return failure;
    },
  };
}
