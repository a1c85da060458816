/**
 * The operators' desk for outbox rows the log refused: what they are, and back to their old places
 * with them once the cause is mended. Every retry is written down with who asked and why.
 */
import type { RetryHeldRequest } from "#gen/platform/v1/operations_pb";
import { type Queryable, SqlName } from "#platform/database/database";
import { HttpProblem } from "#platform/http/problem";
import type { Principal } from "#platform/module";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";

/** As the outbox module tells it. */
export interface Held {
  readonly pos: bigint;
  readonly topic: string;
  readonly key: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly bytes: number;
  readonly error: string;
  readonly heldAt: Date;
  readonly behind: number;
}

export interface HeldDeskOptions {
  readonly databases: Databases;
  readonly listHeld: (
    db: Queryable,
    schema: string,
    options: { readonly limit: number },
  ) => Promise<readonly Held[]>;
  readonly retryHeld: (
    db: Queryable,
    schema: string,
    positions: readonly bigint[],
  ) => Promise<number>;
  /** Tells the relays of this process. */
  readonly wake: () => void;
}

export interface HeldView {
  readonly id: string;
  readonly schema: string;
  readonly topic: string;
  readonly key: string;
  readonly messageId: string;
  readonly type: string;
  readonly bytes: number;
  readonly error: string;
  readonly heldAt: string;
  readonly behind: number;
}

export interface Retried {
  readonly status: "retrying" | "dry_run";
  readonly rows: number;
  readonly ids: readonly string[];
  readonly leftOut: number;
}

export interface HeldDesk {
  list(limit: number): Promise<{ items: HeldView[]; more: boolean }>;
  retry(request: RetryHeldRequest, operator: Principal): Promise<Retried>;
}

/** At once at most; asked again, the next ones come. */
const mostRetried = 1_000;

export function createHeldDesk(options: HeldDeskOptions): HeldDesk {
  const { databases, listHeld, wake } = options;

  async function all(limit: number): Promise<HeldView[]> {
    const found: HeldView[] = [];
    for (const schema of messagingSchemas) {
      const rows = await listHeld(databases[schema], schema, { limit });
      found.push(...rows.map((row) => heldView(schema, row)));
    }
    return found.sort((a, b) => (a.heldAt < b.heldAt ? -1 : 1));
  }

  return {
    list: async (limit) => {
      const found = await all(limit + 1);
      return { items: found.slice(0, limit), more: found.length > limit };
    },
    retry: async ({ ids, all: everything, reason, dryRun }, { issuer, subject }) => {
      if (everything === ids.length > 0) {
        throw new HttpProblem("INVALID_FIELD", "Name rows by their ids, or say all.", {
          field: "ids",
        });
      }
      const known = await all(mostRetried);
      const wanted = everything ? known : known.filter(({ id }) => ids.includes(id));
      const asked = everything ? wanted.length : ids.length;
      if (dryRun) return answer("dry_run", wanted, asked);
      const done: HeldView[] = [];
      for (const schema of messagingSchemas) {
        const own = wanted.filter((row) => row.schema === schema);
        const act = { reason, askedBy: `${issuer}|${subject}` };
        if (own.length > 0 && (await retryIn(options, schema, own, act))) done.push(...own);
      }
      wake();
      return answer("retrying", done, asked);
    },
  };
}

function answer(status: Retried["status"], rows: readonly HeldView[], asked: number): Retried {
  const ids = rows.map(({ id }) => id);
  return { status, rows: ids.length, ids, leftOut: asked - ids.length };
}

/** Noted and released in one transaction. */
async function retryIn(
  { databases, retryHeld }: HeldDeskOptions,
  schema: MessagingSchema,
  rows: readonly HeldView[],
  { reason, askedBy }: { readonly reason: string; readonly askedBy: string },
): Promise<boolean> {
  const positions = rows.map(({ id }) => BigInt(id.slice(id.indexOf("/") + 1)));
  return databases[schema].withTx(async (tx) => {
    await tx.sql`
      INSERT INTO ${new SqlName(schema, "letter_action")} (action, consumer, topic, part, off, key,
        message_id, message_type, headers, attempts, cause, reason, asked_by)
      SELECT 'retry', 'outbox', aggregatetype, shard, pos, aggregateid, id, type, headers, 1, error,
        ${reason}, ${askedBy}
      FROM ${new SqlName(schema, "outbox_held")} WHERE pos = ANY(${positions}::bigint[])
      ORDER BY pos`;
    return (await retryHeld(tx, schema, positions)) > 0;
  });
}

function heldView(schema: MessagingSchema, row: Held): HeldView {
  const { pos, topic, key, messageId, messageType: type, bytes, error, heldAt, behind } = row;
  const id = `${schema}/${pos}`;
  const at = heldAt.toISOString();
  return { id, schema, topic, key, messageId, type, bytes, error, heldAt: at, behind };
}
