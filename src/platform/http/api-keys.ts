/**
 * Keys of programs: made, listed, revoked, and believed in the place of a token. The secret is shown
 * once and kept as a hash; a test key opens no live system, a live key no other. Invariant: a key is
 * believed at most `keptMs` after it was revoked elsewhere, and never past its expiry.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import type { Principal } from "../module.ts";

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  /** What it starts with; the rest was shown once. */
  readonly prefix: string;
  readonly subject: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | undefined;
  readonly revokedAt: Date | undefined;
}

export interface NewApiKey {
  readonly name: string;
  readonly subject: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly createdBy: string;
  readonly lifetimeMs: number;
}

/** What authentication asks of it. */
export interface ApiKeyVerifier {
  /** The caller behind a key as it was sent; undefined when nobody is. */
  verify(key: string): Promise<Principal | undefined>;
}

export interface ApiKeys extends ApiKeyVerifier {
  /** `secret` is the whole key, shown now and never again. */
  create(asked: NewApiKey): Promise<{ readonly key: ApiKey; readonly secret: string }>;
  list(): Promise<readonly ApiKey[]>;
  /** The key, revoked now or before; undefined when there is none. */
  revoke(id: string): Promise<ApiKey | undefined>;
}

export interface ApiKeysOptions {
  readonly db: Database;
  readonly clock: Pick<Clock, "wall" | "monotonicMs">;
  /** Of the principals: a key and a token of one subject are one caller. */
  readonly issuer: string;
  /** Makes and takes live keys, or test keys. */
  readonly live: boolean;
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly hash: Uint8Array;
  readonly live: boolean;
  readonly subject: string;
  readonly roles: string[];
  readonly scopes: string[];
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

interface Kept {
  readonly row: Row;
  readonly untilMs: number;
}

const form = /^esk_(test|live)_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const keptMs = 5_000;
const maxKept = 10_000;

export function createApiKeys({ db, clock, issuer, live }: ApiKeysOptions): ApiKeys {
  /** By the hash of the whole key: a secret is not kept in memory either. */
  const kept = new LRUCache<string, Kept>({ max: maxKept });
  /** Counts revocations: what was read before one is not kept after it. */
  let revocations = 0;
  const kind = live ? "live" : "test";

  async function find(id: string, secret: string): Promise<Row | undefined> {
    const [row] = await db.sql<Row>`SELECT * FROM access.api_key WHERE id = ${id}`;
    // Compared where there is no key, too: the answer takes the same time.
    const hash = row?.hash ?? new Uint8Array(32);
    const right = timingSafeEqual(hash, hashOf(secret));
    return right && row?.live === live && row.revoked_at === null ? row : undefined;
  }

  async function load(name: string, id: string, secret: string): Promise<Row | undefined> {
    const before = revocations;
    const untilMs = clock.monotonicMs() + keptMs;
    const found = await find(id, secret);
    if (found === undefined || found.expires_at <= clock.wall()) return undefined;
    const [row] = await db.sql<Row>`
      UPDATE access.api_key SET last_used_at = ${clock.wall()}
      WHERE id = ${id} AND revoked_at IS NULL RETURNING *`;
    if (row !== undefined && revocations === before) kept.set(name, { row, untilMs });
    return row;
  }

  return {
    verify: async (key) => {
      const [, of, id = "", secret = ""] = form.exec(key) ?? [];
      if (of !== kind) return undefined;
      const name = hashOf(key).toString("base64");
      const known = kept.get(name);
      const fresh = known !== undefined && clock.monotonicMs() < known.untilMs;
      const row = fresh ? known.row : await load(name, id, secret);
      if (row === undefined || row.expires_at <= clock.wall()) return undefined;
      return { issuer, subject: row.subject, roles: row.roles, keyId: id, scopes: row.scopes };
    },
    create: async ({ name, subject, roles, scopes, createdBy, lifetimeMs }) => {
      const id = randomBytes(8).toString("hex");
      const secret = randomBytes(32).toString("base64url");
      const prefix = `esk_${kind}_${id}`;
      const now = clock.wall();
      const [row] = await db.sql<Row>`
        INSERT INTO access.api_key (id, name, prefix, hash, live, subject, roles, scopes,
          created_by, created_at, expires_at)
        VALUES (${id}, ${name}, ${prefix}, ${hashOf(secret)}, ${live}, ${subject},
          ${roles}::text[], ${scopes}::text[], ${createdBy}, ${now},
          ${new Date(now.getTime() + lifetimeMs)})
        RETURNING *`;
      if (row === undefined) throw new Error("the key was not stored");
      return { key: shown(row), secret: `${prefix}_${secret}` };
    },
    list: async () => {
      const rows = await db.sql<Row>`SELECT * FROM access.api_key ORDER BY created_at, id`;
      return rows.map(shown);
    },
    revoke: async (id) => {
      const [row] = await db.sql<Row>`
        UPDATE access.api_key SET revoked_at = coalesce(revoked_at, ${clock.wall()}::timestamptz)
        WHERE id = ${id} RETURNING *`;
      revocations += 1;
      kept.clear();
      return row && shown(row);
    },
  };
}

function hashOf(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

function shown(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    subject: row.subject,
    roles: row.roles,
    scopes: row.scopes,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
  };
}
