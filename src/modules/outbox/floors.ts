/**
 * From which position each shard has to be read. Without a floor every read walks over all rows
 * deleted since the oldest open snapshot. A floor is used only once no row below it can appear any
 * more: a row left behind would be overtaken by a later one of its key.
 */
import type { Clock } from "#platform/clock";
import { type Database, SqlName } from "#platform/database/database";
import type { ShardLease } from "./leases.ts";

export interface Floors {
  /** The floor of each lease's shard for the next read; 0 where there is none. */
  of(leases: readonly ShardLease[]): Promise<readonly bigint[]>;
  /** What the read that used them brought. */
  read(rows: readonly { readonly shard: number; readonly pos: bigint }[]): void;
  /** All rows up to `pos` that this shard's read brought have gone out. */
  sent(shard: number, pos: bigint): void;
  /** Rows were read and stay behind: every shard is read from its lowest row again. */
  reset(): void;
}

export interface FloorsOptions {
  readonly db: Database;
  readonly schema: string;
  readonly clock: Clock;
}

/** Every read is from the lowest row. */
export const noFloors: Floors = {
  of: async (leases) => leases.map(() => 0n),
  read: () => undefined,
  sent: () => undefined,
  reset: () => undefined,
};

interface Shard {
  readonly token: bigint;
  floor: bigint;
  /** The highest position sent. */
  top: bigint;
  /** Becomes the floor once the transactions that were open are over … */
  candidate: bigint;
  /** … and a read that began after that has brought nothing below it. */
  proven: boolean;
}

const everyMs = 10_000;
/** A net under the proof: positions written by hand are found, too. */
const withoutFloorEveryMs = 60_000;

export function createFloors({ db, schema, clock }: FloorsOptions): Floors {
  const held = new SqlName(schema, "outbox_held");
  const shards = new Map<number, Shard>();
  let horizon: bigint | undefined;
  let nextAt = clock.monotonicMs() + everyMs;
  let fullAt = clock.monotonicMs() + withoutFloorEveryMs;

  /** Positions up to `top` were drawn by transactions below the horizon: over once xmin reaches it. */
  async function advance(): Promise<void> {
    nextAt = clock.monotonicMs() + everyMs;
    const tops = [...shards.values()].map((shard) => [shard, shard.top] as const);
    const [now] = await db.sql<{ xmin: bigint; xmax: bigint; held: number[] }>`
      SELECT pg_snapshot_xmin(s)::text::bigint AS xmin, pg_snapshot_xmax(s)::text::bigint AS xmax,
             ARRAY(SELECT DISTINCT shard::int FROM ${held}) AS held
      FROM pg_current_snapshot() AS s`;
    if (now === undefined) return;
    // A row set aside comes back at its old position, and what waits behind it has stayed low.
    for (const number of now.held) shards.delete(number);
    if (horizon !== undefined && now.xmin < horizon) return;
    for (const [shard, top] of tops) {
      shard.proven = horizon !== undefined && shard.candidate > shard.floor;
      if (!shard.proven) shard.candidate = top;
    }
    horizon = now.xmax;
  }

  const known = ({ shard, token }: ShardLease): Shard => {
    const found = shards.get(shard);
    if (found?.token === token) return found;
    const fresh = { token, floor: 0n, top: 0n, candidate: 0n, proven: false };
    shards.set(shard, fresh);
    return fresh;
  };

  return {
    of: async (leases) => {
      const now = clock.monotonicMs();
      if (now >= nextAt) await advance();
      const full = now >= fullAt;
      if (full) fullAt = now + withoutFloorEveryMs;
      return leases.map((lease) => (full ? 0n : known(lease).floor));
    },
    read: (rows) => {
      const lowest = new Map<number, bigint>();
      for (const { shard, pos } of rows) {
        const low = lowest.get(shard);
        if (low === undefined || pos < low) lowest.set(shard, pos);
      }
      for (const [number, shard] of shards) {
        const low = lowest.get(number);
        if (low !== undefined && low <= shard.floor) shard.floor = 0n;
        if (!shard.proven || (low !== undefined && low <= shard.candidate)) continue;
        shard.floor = shard.candidate;
        shard.proven = false;
      }
    },
    sent: (number, pos) => {
      const shard = shards.get(number);
      if (shard !== undefined && pos > shard.top) shard.top = pos;
    },
    reset: () => {
      shards.clear();
      horizon = undefined;
    },
  };
}
