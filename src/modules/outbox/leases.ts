/**
 * Divides the sixteen shards of one outbox among the relays that are alive. A lease bounds how
 * often a message is sent twice; that nothing is lost or out of order does not rest on it.
 */
import type { Clock } from "#platform/clock";
import { type Database, SqlName } from "#platform/database/database";
import { shardCount } from "#platform/messaging/partition";

export interface ShardLease {
  readonly shard: number;
  /** Raised each time the shard changes hands. */
  readonly token: bigint;
}

export interface Leases {
  /** Renews, takes what is free and gives back what is too much, when it is time. Not during a send. */
  keep(): Promise<void>;
  held(): readonly ShardLease[];
  /** False when a send begun now might outlast the leases. */
  safe(): boolean;
  /** Gives everything back, for others to take at once. */
  release(): Promise<void>;
}

export interface LeasesOptions {
  readonly db: Database;
  readonly schema: string;
  /** Names this start of this process, different at every start. */
  readonly owner: string;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/**
 * Lease rows from here on are seats: each living relay sits on one, so that they can count each
 * other. More relays than seats would have no shard anyway; they wait for a seat.
 */
const firstSeat = shardCount;
const seatCount = shardCount;

export function createLeases({ db, schema, owner, clock, leaseMs }: LeasesOptions): Leases {
  const table = new SqlName(schema, "outbox_lease");
  const length = `${leaseMs} milliseconds`;
  let shards: readonly ShardLease[] = [];
  let prepared = false;
  let expiresAt = Number.NEGATIVE_INFINITY;
  let nextAt = Number.NEGATIVE_INFINITY;

  async function prepareOnce(): Promise<void> {
    if (prepared) return;
    await db.sql`
      INSERT INTO ${table} (shard, owner, token, until)
      SELECT n, '', 0, '-infinity' FROM generate_series(0, ${firstSeat + seatCount - 1}::int) AS n
      ON CONFLICT DO NOTHING`;
    prepared = true;
  }

  const renew = (): Promise<ShardLease[]> => db.sql<ShardLease>`
    UPDATE ${table} SET until = clock_timestamp() + ${length}::interval
    WHERE owner = ${owner}::text RETURNING shard, token`;

  /** SKIP LOCKED: two takers share what is free instead of waiting for each other. */
  const take = (
    from: number,
    to: number,
    count: number,
  ): Promise<ShardLease[]> => db.sql<ShardLease>`
    UPDATE ${table} AS l
    SET owner = ${owner}::text, token = l.token + 1, until = clock_timestamp() + ${length}::interval
    FROM (
      SELECT shard FROM ${table}
      WHERE shard BETWEEN ${from}::int AND ${to}::int AND until <= clock_timestamp()
      ORDER BY shard LIMIT ${count}::int FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE l.shard = free.shard RETURNING l.shard, l.token`;

  async function giveBack(surplus: readonly ShardLease[]): Promise<void> {
    await db.sql`
      UPDATE ${table} SET owner = '', until = '-infinity'
      WHERE owner = ${owner}::text AND shard = ANY(${surplus.map(({ shard }) => shard)}::int[])`;
  }

  async function livingRelays(): Promise<number> {
    const [row] = await db.sql<{ living: number }>`
      SELECT count(*)::int AS living FROM ${table}
      WHERE shard >= ${firstSeat}::int AND until > clock_timestamp()`;
    return Math.max(1, row?.living ?? 1);
  }

  async function seated(leases: readonly ShardLease[]): Promise<boolean> {
    if (leases.some(({ shard }) => shard >= firstSeat)) return true;
    return (await take(firstSeat, firstSeat + seatCount - 1, 1)).length > 0;
  }

  /** Resolves to the shards held and the number everyone is entitled to. */
  async function share(): Promise<{ mine: readonly ShardLease[]; living: number }> {
    const renewed = await renew();
    const mine = renewed.filter(({ shard }) => shard < firstSeat);
    if (!(await seated(renewed))) return { mine, living: shardCount };
    const living = await livingRelays();
    const most = Math.ceil(shardCount / living);
    if (mine.length > most) {
      await giveBack(mine.slice(most));
      return { mine: mine.slice(0, most), living };
    }
    if (mine.length === most) return { mine, living };
    return { mine: [...mine, ...(await take(0, firstSeat - 1, most - mine.length))], living };
  }

  return {
    keep: async () => {
      if (clock.monotonicMs() < nextAt) return;
      await prepareOnce();
      // Measured from before the database stamped it: the lease is not over before we think it is.
      const before = clock.monotonicMs();
      const { mine, living } = await share();
      shards = mine;
      expiresAt = before + leaseMs;
      const content = mine.length >= Math.floor(shardCount / living);
      nextAt = before + leaseMs * (content ? 0.3 : 0.05);
    },
    held: () => shards,
    safe: () => clock.monotonicMs() < expiresAt - leaseMs * 0.3,
    release: async () => {
      shards = [];
      nextAt = expiresAt = Number.NEGATIVE_INFINITY;
      await db.sql`
        UPDATE ${table} SET owner = '', until = '-infinity' WHERE owner = ${owner}::text`;
    },
  };
}
