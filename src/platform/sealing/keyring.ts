/**
 * Seals personal texts with one key per subject, and erases them everywhere by destroying that key.
 * Keys are kept in memory for a minute: sealing needs no database while a subject is active, and an
 * erasure holds in every process within that minute.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { LRUCache } from "lru-cache";
import { type SealedText, SealedTextSchema } from "#gen/escrow/v1/types_pb";
import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { TransientError } from "../errors.ts";
import { heldFor } from "../legal-holds.ts";
import { keyBytes, seal, unseal } from "./seal.ts";

export interface Keyring {
  /** Makes the subject's key when there is none; rejects rather than to let a text out unsealed. */
  seal(subject: string, text: string): Promise<SealedText>;
  /** Undefined once the subject was erased. */
  open(sealed: SealedText): Promise<string | undefined>;
  /**
   * Destroys the subject's keys, or names the case that holds them; a later text of the subject gets
   * a new one. `destroyed`: there was one.
   */
  erase(subject: string): Promise<Erased>;
  /** Destroys the keys of all subjects from `first` up to `end`, which stays. */
  eraseBetween(first: string, end: string): Promise<void>;
}

export interface Erased {
  readonly heldFor?: string | undefined;
  readonly destroyed: boolean;
}

export interface KeyringOptions {
  readonly db: Database;
  /** 32 bytes; wraps the keys, so a copy of the database alone opens nothing. */
  readonly dataKey: Uint8Array;
  readonly clock?: Pick<Clock, "monotonicMs">;
}

interface Key {
  readonly keyId: string;
  readonly secret: Uint8Array;
}

interface KeyRow {
  readonly key_id: string;
  readonly wrapped: Uint8Array;
}

const keptMs = 60_000;
const maxKept = 10_000;
const realTime: Pick<Clock, "monotonicMs"> = { monotonicMs: () => performance.now() };

export function createKeyring({ db, dataKey, clock = realTime }: KeyringOptions): Keyring {
  if (dataKey.length !== keyBytes) throw new Error(`the data key must have ${keyBytes} bytes`);
  const wrapping = new Uint8Array(hkdfSync("sha256", dataKey, "", "keyring", keyBytes));
  const current = createCache<Key>(clock);
  const byId = createCache<Key | undefined>(clock);

  function unwrap(subject: string, { key_id, wrapped }: KeyRow): Key {
    return { keyId: key_id, secret: unseal(wrapping, wrapped, `${subject}|${key_id}`) };
  }

  async function alive(subject: string): Promise<Key | undefined> {
    const [row] = await db.sql<KeyRow>`
      SELECT key_id, wrapped FROM keyring.key WHERE subject = ${subject} AND destroyed_at IS NULL`;
    return row && unwrap(subject, row);
  }

  async function make(subject: string): Promise<Key> {
    const keyId = randomBytes(16).toString("hex");
    const wrapped = seal(wrapping, randomBytes(keyBytes), `${subject}|${keyId}`);
    await db.sql`
      INSERT INTO keyring.key (subject, key_id, wrapped) VALUES (${subject}, ${keyId}, ${wrapped})
      ON CONFLICT DO NOTHING`;
    // Read again, because another process may have won.
    const key = await alive(subject);
    if (key === undefined) throw new TransientError("a key was destroyed while it was made");
    return key;
  }

  async function byKeyId(subject: string, keyId: string): Promise<Key | undefined> {
    const [row] = await db.sql<KeyRow>`
      SELECT key_id, wrapped FROM keyring.key
      WHERE subject = ${subject} AND key_id = ${keyId} AND destroyed_at IS NULL`;
    return row && unwrap(subject, row);
  }

  function forget(): void {
    current.clear();
    byId.clear();
  }

  return {
    seal: async (subject, text) => {
      const key = await current.get(subject, async () => (await alive(subject)) ?? make(subject));
      const ciphertext = seal(key.secret, Buffer.from(text, "utf8"), subject);
      return create(SealedTextSchema, { subject, keyId: key.keyId, ciphertext });
    },
    open: async ({ subject, keyId, ciphertext }) => {
      const key = await byId.get(`${subject}|${keyId}`, () => byKeyId(subject, keyId));
      return key && Buffer.from(unseal(key.secret, ciphertext, subject)).toString("utf8");
    },
    erase: async (subject) => {
      const erased = await db.withTx(async (tx) => {
        const held = await heldFor(tx, subject);
        if (held !== undefined) return { heldFor: held, destroyed: false };
        const keys = await tx.sql`
          UPDATE keyring.key SET wrapped = NULL, destroyed_at = clock_timestamp()
          WHERE subject = ${subject} AND destroyed_at IS NULL RETURNING key_id`;
        return { destroyed: keys.length > 0 };
      });
      forget();
      return erased;
    },
    eraseBetween: async (first, end) => {
      const erased = await db.sql`
        UPDATE keyring.key SET wrapped = NULL, destroyed_at = clock_timestamp()
        WHERE subject COLLATE "C" >= ${first} AND subject COLLATE "C" < ${end}
          AND destroyed_at IS NULL RETURNING key_id`;
      if (erased.length > 0) forget();
    },
  };
}

interface Cache<T> {
  get(name: string, load: () => Promise<T>): Promise<T>;
  clear(): void;
}

interface Kept<T> {
  readonly value: Promise<T>;
  readonly untilMs: number;
}

/** Callers of one name share one load; a failed load is not kept. */
function createCache<T>(clock: Pick<Clock, "monotonicMs">): Cache<T> {
  const kept = new LRUCache<string, Kept<T>>({ max: maxKept });
  return {
    get: async (name, load) => {
      const known = kept.get(name);
      if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.value;
      const entry = { value: load(), untilMs: clock.monotonicMs() + keptMs };
      kept.set(name, entry);
      try {
        return await entry.value;
      } catch (error) {
        if (kept.get(name) === entry) kept.delete(name);
        throw error;
      }
    },
    clear: () => kept.clear(),
  };
}
