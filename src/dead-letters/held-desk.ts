/**
 * The operators' desk for outbox rows the log refused: what they are, and back to their old places
 * with them once the cause is mended. Every retry is written down with who asked and why.
 */
import type { RetryHeldRequest } from "#gen/platform/v1/operations_pb";
import { type Queryable, SqlName } from "#platform/database/database";
import { personOf } from "#platform/http/approvals";
import { HttpProblem } from "#platform/http/problem";
import type { HeldRow } from "#platform/messaging/held-row";
import type { Principal } from "#platform/module";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";

export interface HeldDeskOptions {
  readonly databases: Databases;
  readonly listHeld: (
    db: Queryable,
    schema: string,
    options: { readonly limit: number; readonly positions?: readonly bigint[] | undefined },
  ) => Promise<readonly HeldRow[]>;
  readonly retryHeld: (
    db: Queryable,
    schema: string,
    positions: readonly bigint[],
  ) => Promise<readonly bigint[]>;
  /** Spares the relays of this process a wait; those of others find the rows at their next look. */
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

  /** The oldest of all schemas, or those of these names that there are. */
  async function find(limit: number, ids?: readonly string[]): Promise<HeldView[]> {
    const found: HeldView[] = [];
    for (const schema of messagingSchemas) {
      const positions = ids && positionsIn(schema, ids);
      const rows = await listHeld(databases[schema], schema, { limit, positions });
      found.push(...rows.map((row) => heldView(schema, row)));
    }
    // A schema's own order stands where several were refused at once.
    found.sort((a, b) => Number(a.heldAt > b.heldAt) - Number(a.heldAt < b.heldAt));
    return found.slice(0, limit);
  }

  return {
    list: async (limit) => {
      const found = await find(limit + 1);
      return { items: found.slice(0, limit), more: found.length > limit };
    },
    retry: async ({ ids, all: everything, reason, dryRun, limit }, operator) => {
      if (everything === ids.length > 0) {
        throw new HttpProblem("INVALID_FIELD", "Name rows by their ids, or say all.", {
          field: "ids",
        });
      }
      const wanted = everything ? await find(limit || mostRetried) : await find(mostRetried, ids);
      const asked = everything ? wanted.length : ids.length;
      if (dryRun) return answer("dry_run", wanted, asked);
      const act = { reason, askedBy: personOf(operator) };
      const done: HeldView[] = [];
      for (const schema of messagingSchemas) {
        const own = wanted.filter((row) => row.schema === schema);
        if (own.length > 0) done.push(...(await retryIn(options, schema, own, act)));
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

/** Noted and released in one transaction; resolves to those that were still there. */
async function retryIn(
  { databases, retryHeld }: HeldDeskOptions,
  schema: MessagingSchema,
  rows: readonly HeldView[],
  { reason, askedBy }: { readonly reason: string; readonly askedBy: string },
): Promise<readonly HeldView[]> {
  const ids = rows.map(({ id }) => id);
  const positions = positionsIn(schema, ids);
  return databases[schema].withTx(async (tx) => {
    await tx.sql`
      INSERT INTO ${new SqlName(schema, "letter_action")} (action, consumer, topic, part, off, key,
        message_id, message_type, headers, attempts, cause, reason, asked_by)
      SELECT 'retry', 'outbox', aggregatetype, shard, pos, aggregateid, id, type, headers, 1, error,
        ${reason}, ${askedBy}
      FROM ${new SqlName(schema, "outbox_held")} WHERE pos = ANY(${positions}::bigint[])
      ORDER BY pos FOR UPDATE`;
    const moved = await retryHeld(tx, schema, positions);
    return rows.filter(({ id }) => moved.some((pos) => id === `${schema}/${pos}`));
  });
}

/** Those of its own rows. */
function positionsIn(schema: MessagingSchema, ids: readonly string[]): bigint[] {
  return ids
    .filter((id) => id.startsWith(`${schema}/`))
    .map((id) => BigInt(id.slice(schema.length + 1)));
}

function heldView(schema: MessagingSchema, row: HeldRow): HeldView {
  const { pos, topic, key, messageId, messageType: type, bytes, error, heldAt, behind } = row;
  const id = `${schema}/${pos}`;
  const at = heldAt.toISOString();
  return { id, schema, topic, key, messageId, type, bytes, error, heldAt: at, behind };
}
