/**
 * A module's tamper-evident log. Its own append-only rows are the log; each is named in a queue by
 * the transaction that writes it, and after its commit a worker chains it: a link holds the hash of
 * every row's content and of the link before it, so that no row can be changed, removed or put in
 * between without the chain saying where.
 */
import { hashFields } from "#kernel/ids";
import type { Clock } from "./clock.ts";
import { type Database, type Queryable, SqlName } from "./database/database.ts";
import type { Worker } from "./module.ts";

/** A kind of row the log is made of. */
export interface AuditSource {
  readonly name: string;
  /** SHA-256 of what never changes in the rows of these keys, by key; a row that is gone is left out. */
  readonly hashes: (db: Queryable, keys: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** Where they are, all of them. */
  readonly table: SqlName;
}

export interface HashRow {
  readonly key: string;
  readonly hash: string;
}

/** Makes the sources of a module's schema: a kind's name, its table, and how its rows are hashed. */
export function auditSourcesOf(schema: string) {
  return (
    name: string,
    table: string,
    read: (db: Queryable, keys: readonly string[]) => Promise<readonly HashRow[]>,
  ): AuditSource => ({
    name,
    table: new SqlName(schema, table),
    hashes: async (db, keys) => {
      const rows = await read(db, keys);
      return new Map(rows.map(({ key, hash }) => [key, hash]));
    },
  });
}

export interface AuditReport {
  readonly log: string;
  readonly links: number;
  readonly rows: number;
  /** Rows that are written and not chained yet. */
  readonly waiting: number;
  /** The last link's hash: kept elsewhere, it shows later that the chain was not written anew. */
  readonly head: string;
  /** The first link or row that is not as it was; absent when all is well. */
  readonly broken?: string;
}

export interface AuditLog {
  readonly worker: Worker;
  verify(): Promise<AuditReport>;
}

export interface AuditLogOptions {
  readonly db: Database;
  readonly schema: string;
  readonly clock: Clock;
  readonly sources: readonly AuditSource[];
}

interface Link {
  readonly seq: bigint;
  readonly at: Date;
  readonly sources: readonly string[];
  readonly keys: readonly string[];
  readonly rows: readonly string[];
  readonly hash: string;
}

const rowsPerLink = 500;
const linksPerRead = 20;

export function createAuditLog(options: AuditLogOptions): AuditLog {
  return {
    worker: {
      name: `${options.schema}.audit`,
      idleMs: 1_000,
      step: () => chainNext(options),
    },
    verify: () => verifyChain(options),
  };
}

async function chainNext(options: AuditLogOptions): Promise<"worked" | "idle"> {
  const { db, schema, clock } = options;
  const [head, queue, links] = tablesOf(schema);
  const [waits] = await db.sql`SELECT id FROM ${queue} LIMIT 1`;
  if (waits === undefined) return "idle";
  return db.withTx(async (tx) => {
    // The head's lock is the lease: whoever finds it taken has nothing to do.
    const [last] = await tx.sql<{ seq: bigint; hash: string }>`
      SELECT seq, hash FROM ${head} FOR UPDATE SKIP LOCKED`;
    if (last === undefined) return "idle";
    const taken = await tx.sql<{ id: bigint; source: string; key: string }>`
      DELETE FROM ${queue} WHERE id IN (SELECT id FROM ${queue} ORDER BY id LIMIT ${rowsPerLink})
      RETURNING id, source, key`;
    if (taken.length === 0) return "idle";
    const named = [...taken].sort((a, b) => (a.id < b.id ? -1 : 1));
    const sources = named.map(({ source }) => source);
    const keys = named.map(({ key }) => key);
    const rows = await contentOf(tx, options.sources, { sources, keys });
    const at = clock.now();
    const seq = last.seq + 1n;
    const hash = linkHash(last.hash, { seq, at, sources, keys, rows });
    await tx.sql`
      INSERT INTO ${links} (seq, at, sources, keys, rows, hash)
      VALUES (${seq}, ${at}, ${sources}::text[], ${keys}::text[], ${rows}::text[], ${hash})`;
    await tx.sql`UPDATE ${head} SET seq = ${seq}, hash = ${hash}`;
    return named.length === rowsPerLink ? "worked" : "idle";
  });
}

function tablesOf(schema: string): [SqlName, SqlName, SqlName] {
  const name = (table: string) => new SqlName(schema, table);
  return [name("audit_head"), name("audit_queue"), name("audit_link")];
}

/** The rows' hashes in their order; "" for one that is gone. */
async function contentOf(
  db: Queryable,
  sources: readonly AuditSource[],
  named: Pick<Link, "sources" | "keys">,
): Promise<string[]> {
  const found = new Map<string, string>();
  for (const source of sources) {
    const keys = named.keys.filter((_, index) => named.sources[index] === source.name);
    if (keys.length === 0) continue;
    const hashes = await source.hashes(db, keys);
    for (const [key, hash] of hashes) found.set(`${source.name} ${key}`, hash);
  }
  return named.keys.map((key, index) => found.get(`${named.sources[index]} ${key}`) ?? "");
}

function linkHash(before: string, { seq, at, sources, keys, rows }: Omit<Link, "hash">): string {
  const fields = keys.flatMap((key, index) => [sources[index] ?? "", key, rows[index] ?? ""]);
  return hashFields(before, seq.toString(), at.toISOString(), ...fields);
}

async function verifyChain(options: AuditLogOptions): Promise<AuditReport> {
  const { db, schema } = options;
  const [head, queue, links] = tablesOf(schema);
  const chained = new Map<string, bigint>();
  let [seq, hash, rows] = [0n, "", 0];
  const report = (waiting: bigint, broken?: string): AuditReport => ({
    log: schema,
    links: Number(seq),
    rows,
    waiting: Number(waiting),
    head: hash,
    ...(broken !== undefined && { broken }),
  });
  for (;;) {
    const read = await db.sql<Link>`
      SELECT * FROM ${links} WHERE seq > ${seq} ORDER BY seq LIMIT ${linksPerRead}`;
    if (read.length === 0) break;
    for (const link of read) {
      const wrong = await wrongWith(link, { seq, hash }, options);
      if (wrong !== undefined) return report(0n, `link ${link.seq}: ${wrong}`);
      for (const source of link.sources) chained.set(source, (chained.get(source) ?? 0n) + 1n);
      [seq, hash, rows] = [link.seq, link.hash, rows + link.keys.length];
    }
  }
  const [end] = await db.sql<{ seq: bigint; hash: string }>`SELECT seq, hash FROM ${head}`;
  if (end === undefined || end.seq < seq) return report(0n, `the head lies before link ${seq}`);
  // A little more was chained since the last read; a chain cut short lacks more and for ever.
  if (end.seq === seq && end.hash !== hash) return report(0n, `link ${seq} is not the head`);
  const unlinked = end.seq === seq ? await unchained(options, chained, seq) : undefined;
  const [cut] = await db.sql`SELECT seq FROM ${links} WHERE seq = ${end.seq}`;
  const [waiting] = await db.sql<{ n: bigint }>`SELECT count(*) AS n FROM ${queue}`;
  return report(waiting?.n ?? 0n, cut || end.seq === 0n ? unlinked : `link ${end.seq} is gone`);
}

/** A row that is there and was never named: put in behind the program's back. */
async function unchained(
  { db, schema, sources }: AuditLogOptions,
  chained: ReadonlyMap<string, bigint>,
  verified: bigint,
): Promise<string | undefined> {
  const [head, queue] = tablesOf(schema);
  for (const { name, table } of sources) {
    // One statement, one snapshot; where the chain has grown meanwhile the sums say nothing.
    const [found] = await db.sql<{ there: bigint; queued: bigint; seq: bigint }>`
      SELECT (SELECT count(*) FROM ${table}) AS there, (SELECT seq FROM ${head}) AS seq,
        (SELECT count(*) FROM ${queue} WHERE source = ${name}) AS queued`;
    if (found === undefined || found.seq !== verified) return undefined;
    const unknown = found.there - found.queued - (chained.get(name) ?? 0n);
    if (unknown > 0n) return `${unknown} rows of ${name} are in no link`;
  }
  return undefined;
}

async function wrongWith(
  link: Link,
  before: Pick<Link, "seq" | "hash">,
  { db, sources }: AuditLogOptions,
): Promise<string | undefined> {
  if (link.seq !== before.seq + 1n) return `link ${before.seq + 1n} before it is gone`;
  if (linkHash(before.hash, link) !== link.hash) return "its hash does not follow";
  const now = await contentOf(db, sources, link);
  const at = now.findIndex((hash, index) => hash !== link.rows[index]);
  if (at < 0) return undefined;
  const what = now[at] === "" ? "is gone" : "was changed";
  return `row ${link.sources[at]} ${link.keys[at]} ${what}`;
}
