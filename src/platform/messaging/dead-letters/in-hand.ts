/**
 * What is tried is taken in hand first, in a transaction of its own: whatever the next process finds in
 * a dead one's hand may have ended it. Nothing is tried behind such a one from then on, and after some
 * ends it is not tried by itself any more.
 */
import type { Tx } from "../../database/database.ts";
import { TerminalError } from "../../errors.ts";
import {
  type LockOptions,
  lockUnit,
  markInHand,
  type ParkedRow,
  type Unit,
} from "./parked-rows.ts";

/** So many ends of a process that had it in hand make a letter dead. */
export const mostCrashes = 3;

export const REDRIVE_CRASH = new TerminalError(
  `CRASH: the process ended ${mostCrashes} times while it tried this message again`,
);

export type Taken =
  /** Not due, gone, or in another process's hand. */
  | { readonly kind: "nothing" }
  /** One of its messages is not to be tried any more. */
  | { readonly kind: "crashed"; readonly row: ParkedRow }
  | { readonly kind: "rows"; readonly rows: readonly ParkedRow[] };

/** `owner` names this start of this process. */
export async function takeInHand(
  tx: Tx,
  options: LockOptions & { readonly owner: string },
  unit: Unit,
): Promise<Taken> {
  const { tables, consumer, owner } = options;
  const found = await lockUnit(tx, options, unit);
  const [first] = found ?? [];
  if (found === undefined || first?.due === false) return { kind: "nothing" };
  if (first !== undefined && isAnothers(first, owner) && !first.givenUp) return { kind: "nothing" };
  // What the dead had in hand lies open again, and counts.
  const rows = found.map((row) =>
    isAnothers(row, owner) ? { ...row, inHandOf: undefined, crashes: row.crashes + 1 } : row,
  );
  const ours = untilSuspicious(rows).map((row) => ({ ...row, inHandOf: owner }));
  const killer = rows.find(({ crashes, state }) => state === "waiting" && crashes >= mostCrashes);
  if (killer !== undefined) {
    await markInHand(tx, tables, consumer, rows);
    return { kind: "crashed", row: killer };
  }
  await markInHand(tx, tables, consumer, [...ours, ...rows.slice(ours.length)]);
  return { kind: "rows", rows: ours };
}

function isAnothers({ inHandOf }: ParkedRow, owner: string): boolean {
  return inHandOf !== undefined && inHandOf !== owner;
}

/**
 * A suspicious one at the head goes alone: nobody else is to be blamed for it, nor it for others. One
 * behind is the last: it may be what those before it lack.
 */
function untilSuspicious(rows: readonly ParkedRow[]): readonly ParkedRow[] {
  const [head] = rows;
  if (head !== undefined && head.crashes > 0) return [head];
  const end = rows.findIndex(({ crashes, state }) => crashes > 0 || state === "dead");
  if (end < 0) return rows;
  return rows.slice(0, rows[end]?.state === "dead" ? end : end + 1);
}
