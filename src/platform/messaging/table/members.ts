/**
 * Shares the partitions of a group among its living members: the i-th partition belongs to the
 * i mod n-th member by name. Ownership only spreads the work; two members that both believe to own a
 * partition do no harm, because the consumer's own cursor makes them serial.
 */
import type { Database } from "../../database/database.ts";
import type { PartitionEnds } from "../event-log.ts";
import type { LogTables } from "./names.ts";
import { readEnds } from "./watch.ts";

/** A silent member's partitions are taken over after this long; heartbeats come far more often. */
const liveSeconds = 10;
/** The position of a partition that was claimed and of which nothing was committed yet. */
const nothingDone = -1;

export interface Owned {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: bigint;
}

export interface Claimed extends Owned {
  /** What was committed for it last; below 0 when nothing ever was. */
  readonly next: bigint;
}

export interface MembershipDeps {
  readonly db: Database;
  readonly tables: LogTables;
  readonly group: string;
  readonly member: string;
  readonly topics: readonly string[];
}

export interface Membership {
  /** Says that this member lives; answers with the partitions that should be its own. */
  beat(): Promise<{ share: PartitionEnds[]; missing: string[] }>;
  /** Renews what is held; answers with what still is. */
  renew(): Promise<Owned[]>;
  /** Takes those that are free, or whose owner fell silent. */
  claim(wanted: readonly PartitionEnds[]): Promise<Claimed[]>;
  release(owned: readonly Owned[]): Promise<void>;
  /** False when another member owns the partition by now. */
  commit(owned: Owned, next: bigint): Promise<boolean>;
  leave(): Promise<void>;
}

export function createMembership({
  db,
  tables,
  group,
  member,
  topics,
}: MembershipDeps): Membership {
  return {
    async beat() {
      await db.sql`
        INSERT INTO ${tables.member} (grp, member, until)
        VALUES (${group}, ${member}, clock_timestamp() + make_interval(secs => ${liveSeconds}))
        ON CONFLICT (grp, member) DO UPDATE SET until = excluded.until`;
      const living = await db.sql<{ member: string }>`
        SELECT member FROM ${tables.member} WHERE grp = ${group} AND until > clock_timestamp()`;
      const members = living.map((row) => row.member).sort();
      const partitions = await readEnds(db, tables, topics);
      const existing = new Set(partitions.map(({ topic }) => topic));
      return {
        share: partitions.filter((_, index) => members[index % members.length] === member),
        missing: topics.filter((topic) => !existing.has(topic)),
      };
    },
    renew: () => db.sql<{ topic: string; partition: number; epoch: bigint }>`
      UPDATE ${tables.cursor} SET until = clock_timestamp() + make_interval(secs => ${liveSeconds})
      WHERE grp = ${group} AND owner = ${member}
      RETURNING topic, p AS partition, epoch`,
    async claim(wanted) {
      if (wanted.length === 0) return [];
      const names = wanted.map(({ topic }) => topic);
      const parts = wanted.map(({ partition }) => partition);
      await db.sql`
        INSERT INTO ${tables.cursor} (grp, topic, p, next)
        SELECT ${group}, *, ${nothingDone} FROM unnest(${names}::text[], ${parts}::int[])
        ORDER BY 2, 3
        ON CONFLICT DO NOTHING`;
      // A row locked by another member is being taken or renewed by it: not ours for now.
      return db.sql<{ topic: string; partition: number; epoch: bigint; next: bigint }>`
        UPDATE ${tables.cursor} c
        SET owner = ${member}, epoch = c.epoch + 1,
            until = clock_timestamp() + make_interval(secs => ${liveSeconds})
        FROM (SELECT grp, topic, p FROM ${tables.cursor}
              WHERE grp = ${group}
                AND (topic, p) IN (SELECT * FROM unnest(${names}::text[], ${parts}::int[]))
                AND (owner IS NULL OR owner = ${member} OR until < clock_timestamp())
              ORDER BY topic, p FOR UPDATE SKIP LOCKED) free
        WHERE c.grp = free.grp AND c.topic = free.topic AND c.p = free.p
        RETURNING c.topic, c.p AS partition, c.epoch, c.next`;
    },
    async release(owned) {
      if (owned.length === 0) return;
      await db.sql`
        UPDATE ${tables.cursor} SET owner = NULL
        WHERE grp = ${group} AND owner = ${member}
          AND (topic, p, epoch) IN (SELECT * FROM unnest(
            ${owned.map(({ topic }) => topic)}::text[],
            ${owned.map(({ partition }) => partition)}::int[],
            ${owned.map(({ epoch }) => epoch)}::bigint[]))`;
    },
    async commit({ topic, partition, epoch }, next) {
      const moved = await db.sql`
        UPDATE ${tables.cursor} SET next = ${next}
        WHERE grp = ${group} AND topic = ${topic} AND p = ${partition}
          AND owner = ${member} AND epoch = ${epoch}
        RETURNING p`;
      return moved.length > 0;
    },
    async leave() {
      await db.sql`
        UPDATE ${tables.cursor} SET owner = NULL WHERE grp = ${group} AND owner = ${member}`;
      await db.sql`
        DELETE FROM ${tables.member}
        WHERE grp = ${group} AND (member = ${member} OR until < clock_timestamp() - interval '1 hour')`;
    },
  };
}
