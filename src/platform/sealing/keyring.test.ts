import { afterAll, beforeAll, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { SealedTextSchema } from "#gen/escrow/v1/types_pb";
import { migrate } from "../database/migrate.ts";
import { loadMigrations } from "../database/migration-files.ts";
import { openPglite, type PgliteDatabase } from "../database/pglite.ts";
import { TerminalError } from "../errors.ts";
import { createKeyring } from "./keyring.ts";

const dataKey = new Uint8Array(32).fill(7);
let db: PgliteDatabase;

beforeAll(async () => {
  db = await openPglite();
  const migrations = (await loadMigrations()).modules.get("keyring") ?? [];
  await migrate(db, [{ name: "keyring", schema: "keyring", migrations }]);
});

afterAll(async () => {
  await db.close();
});

async function keyCount(subject: string): Promise<bigint | undefined> {
  const [row] = await db.sql<{ n: bigint }>`
    SELECT count(*) AS n FROM keyring.key WHERE subject = ${subject}`;
  return row?.n;
}

test("a text comes back as it was, from another process too", async () => {
  const sealed = await createKeyring({ db, dataKey }).seal("alice", "a lens 🔭");
  expect(Buffer.from(sealed.ciphertext).includes("lens")).toBe(false);
  expect(await createKeyring({ db, dataKey }).open(sealed)).toBe("a lens 🔭");
});

test("two seals of one text differ, so equal texts do not show", async () => {
  const keyring = createKeyring({ db, dataKey });
  const [one, two] = [await keyring.seal("bob", "same"), await keyring.seal("bob", "same")];
  expect(one.keyId).toBe(two.keyId);
  expect(one.ciphertext).not.toEqual(two.ciphertext);
});

test("processes that make the same subject's first key at once use one key", async () => {
  const keyrings = Array.from({ length: 8 }, () => createKeyring({ db, dataKey }));
  const sealed = await Promise.all(keyrings.map((keyring) => keyring.seal("race", "x")));
  expect(new Set(sealed.map(({ keyId }) => keyId)).size).toBe(1);
  expect(await keyCount("race")).toBe(1n);
});

test("after erasure nothing of the subject opens, others' texts do", async () => {
  const keyring = createKeyring({ db, dataKey });
  const mine = await keyring.seal("carol", "mine");
  const other = await keyring.seal("dave", "his");
  await keyring.erase("carol");
  expect(await keyring.open(mine)).toBeUndefined();
  expect(await keyring.open(other)).toBe("his");
  expect((await keyring.seal("carol", "new")).keyId).not.toBe(mine.keyId);
});

test("another process forgets an erased key within a minute", async () => {
  let nowMs = 0;
  const other = createKeyring({ db, dataKey, clock: { monotonicMs: () => nowMs } });
  const sealed = await other.seal("erin", "mine");
  expect(await other.open(sealed)).toBe("mine");
  await createKeyring({ db, dataKey }).erase("erin");
  nowMs = 60_001;
  expect(await other.open(sealed)).toBeUndefined();
});

test("sealing does not ask the database once a key is known", async () => {
  let statements = 0;
  const counting = {
    ...db,
    sql: (...args: Parameters<typeof db.sql>) => {
      statements += 1;
      return db.sql(...args);
    },
  } as typeof db;
  const keyring = createKeyring({ db: counting, dataKey });
  await keyring.seal("frank", "one");
  const before = statements;
  expect(before).toBeGreaterThan(0);
  await Promise.all(Array.from({ length: 100 }, () => keyring.seal("frank", "more")));
  expect(statements).toBe(before);
});

test("a text cannot be moved to another subject or changed by a bit", async () => {
  const keyring = createKeyring({ db, dataKey });
  const sealed = await keyring.seal("grace", "hers");
  const changed = Uint8Array.from(sealed.ciphertext);
  changed[14] = (changed[14] ?? 0) ^ 1;
  const tampered = create(SealedTextSchema, { ...sealed, ciphertext: changed });
  await expect(keyring.open(tampered)).rejects.toBeInstanceOf(TerminalError);
  const moved = create(SealedTextSchema, { ...sealed, subject: "heidi" });
  expect(await keyring.open(moved)).toBeUndefined();
});

test("another data key opens nothing", async () => {
  await createKeyring({ db, dataKey }).seal("ivan", "his");
  const stranger = createKeyring({ db, dataKey: new Uint8Array(32).fill(8) });
  await expect(stranger.seal("ivan", "x")).rejects.toBeInstanceOf(TerminalError);
  expect(() => createKeyring({ db, dataKey: new Uint8Array(31) })).toThrow("32 bytes");
});
