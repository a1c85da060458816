/**
 * The invariants no module can see alone: the escrow's funds against the ledger (I1), and that what
 * was begun gets done (I9). Each module brings its own checks; this runs them all.
 */
import type { Book } from "#platform/books";
import { type Check, type CheckContext, type Finding, found } from "#platform/checks";
import type { Clock } from "#platform/clock";
import { SqlName } from "#platform/database";
import type { AnyHandler } from "#platform/messaging/handler";
import { positionsOf } from "#platform/messaging/positions";
import { type Databases, type MessagingSchema, messagingSchemas } from "./stores.ts";

export interface Report {
  readonly ok: boolean;
  readonly checks: readonly Verdict[];
}

export interface Verdict {
  readonly id: string;
  readonly name: string;
  readonly ok: boolean;
  readonly checked: number;
  /** The first counter-example. */
  readonly detail?: string;
}

export async function runChecks(checks: readonly Check[], context: CheckContext): Promise<Report> {
  const findings: Finding[] = [];
  // One after the other: the embedded database has one connection, and so do the people waiting.
  for (const check of checks) findings.push(...(await check(context)));
  const judged = findings
    .map(({ id, name, checked, counterexample }) => ({
      id,
      name,
      ok: counterexample === undefined,
      checked: Number(checked),
      ...(counterexample !== undefined && { detail: counterexample }),
    }))
    .sort((a, b) => a.id.localeCompare(b.id));
  return { ok: judged.every(({ ok }) => ok), checks: judged };
}

export interface BooksDeps {
  readonly escrowBooks: (afterId: string) => Promise<readonly Book[]>;
  readonly paymentBooks: (escrowIds: readonly string[]) => Promise<readonly Book[]>;
  readonly clock: Clock;
}

/** Compared only where both have seen the same and nothing is under way between them. */
export function booksAgree({ escrowBooks, paymentBooks, clock }: BooksDeps): Check {
  return async ({ patienceMs }) => {
    const name = "escrow's funds equal the ledger's";
    let checked = 0n;
    let afterId = "";
    for (;;) {
      const ours = await escrowBooks(afterId);
      const last = ours.at(-1);
      if (!last) return [{ id: "I1", name, checked }];
      const theirs = new Map(
        (await paymentBooks(ours.map(({ escrowId }) => escrowId))).map((b) => [b.escrowId, b]),
      );
      const settledBefore = clock.now().getTime() - patienceMs;
      for (const book of ours) {
        const other = theirs.get(book.escrowId);
        if (!other || other.paymentsVersion !== book.paymentsVersion) continue;
        const same = other.funds.join() === book.funds.join();
        if (!same && book.updatedAt.getTime() > settledBefore) continue;
        checked += 1n;
        if (!same) {
          const counterexample = `${book.escrowId}: escrow says ${book.funds.join()}, ledger ${other.funds.join()}`;
          return [{ id: "I1", name, checked, counterexample }];
        }
      }
      afterId = last.escrowId;
    }
  };
}

export interface LivenessDeps {
  readonly databases: Databases;
  readonly handlers: Readonly<Record<MessagingSchema, readonly AnyHandler[]>>;
  readonly clock: Clock;
}

/** Nothing waits in an outbox or in front of a consumer for longer than patience allows. */
export function nothingStuck({ databases, handlers, clock }: LivenessDeps): Check {
  return async ({ log, patienceMs }) => {
    const findings: Finding[] = [];
    for (const schema of messagingSchemas) {
      const [row] = await databases[schema].sql<{ n: bigint; old: string | null }>`
        SELECT count(*) AS n, min(id) FILTER (
          WHERE at < clock_timestamp() - ${patienceMs}::int * interval '1 millisecond') AS old
        FROM ${new SqlName(schema, "outbox")}`;
      findings.push({
        id: "I9",
        name: `the outbox of ${schema} drains`,
        checked: row?.n ?? 0n,
        ...found(row?.old ? `message ${row.old} waits` : undefined),
      });
      for (const handler of handlers[schema]) {
        const positions = await positionsOf(databases[schema], {
          schema,
          consumer: handler.name,
          topic: handler.topic.name,
        });
        const overdueBefore = clock.wall().getTime() - patienceMs;
        findings.push(await keepsUp(handler, { log, positions, overdueBefore }));
      }
    }
    return findings;
  };
}

interface Progress extends Pick<CheckContext, "log"> {
  /** The next offset by partition. */
  readonly positions: ReadonlyMap<number, bigint>;
  /** Milliseconds of real time: what the log took before should have been handled. */
  readonly overdueBefore: number;
}

/** The first record a consumer has not passed is young, or there is none. */
async function keepsUp(
  { name, topic }: AnyHandler,
  { log, positions, overdueBefore }: Progress,
): Promise<Finding> {
  let behind = 0n;
  let stuck: string | undefined;
  for (const { partition, low, end } of await log.ends([topic.name])) {
    const next = positions.get(partition) ?? low;
    if (next >= end) continue;
    behind += end - next;
    const [first] = await log.read(topic.name, partition, next, 1);
    if (first && first.appendedAt.getTime() < overdueBefore)
      stuck ??= `${topic.name}/${partition}@${next} waits`;
  }
  return { id: "I9", name: `${name} keeps up`, checked: behind, ...found(stuck) };
}
