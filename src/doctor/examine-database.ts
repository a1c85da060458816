/** Can the database be used, does it keep what it acknowledges, and is it of this version? */
import { formatDuration } from "#kernel/duration";
import { dataDirOwner, foreignFile } from "#platform/database/data-dir";
import type { Database } from "#platform/database/database";
import { sqlState } from "#platform/database/database-error";
import { SchemaTooNew } from "#platform/database/migrate";
import { assertDurable } from "#platform/database/postgres";
import { SystemicError } from "#platform/errors";
import { mint } from "../cli/token.ts";
import type { Config } from "../config.ts";
import { stoppedText, uncoveredText } from "../roles.ts";
import { hasSecrets, tokenSecret } from "../secrets.ts";
import { hasEmbeddedData, type Stores } from "../stores.ts";
import { examineOutboxes } from "./examine-outboxes.ts";
import {
  doubt,
  type Finding,
  ill,
  shortCover,
  stoppedLine,
  textOf,
  unreachable,
  well,
} from "./finding.ts";

/** Nothing of an embedded database is opened: a server may have it. */
export async function examineEmbedded(config: Config): Promise<Finding[]> {
  if (config.MEMORY) return [well("database", "embedded, in memory")];
  const owner = dataDirOwner(config.DATA_DIR);
  if (owner?.url !== undefined) {
    const answer = await fetch(`${owner.url}/readyz`).catch(() => undefined);
    const held = `embedded in ${config.DATA_DIR}, held by process ${owner.pid} at ${owner.url}`;
    if (answer?.ok) {
      const ready = well("database", `${held}, which is ready`);
      const providers = await providersAt(owner.url, config);
      return [ready, ...providers, ...(await clockAt(owner.url))];
    }
    const remedy = `look at ${owner.url}/readyz`;
    return [ill("database", `${held}, which is not ready`, remedy)];
  }
  const foreign = foreignFile(config.DATA_DIR);
  if (foreign !== undefined) {
    const text = `${config.DATA_DIR} has files of something else in it, such as ${foreign}`;
    return [ill("database", text, "name a folder that is empty or not there with --data-dir")];
  }
  const state = hasEmbeddedData(config) ? "not in use" : "empty: made at the first start";
  return [well("database", `embedded in ${config.DATA_DIR}, ${state}`)];
}

interface ShownProvider {
  readonly name: string;
  readonly stopped: { reason: string; stoppedBy: string; stoppedAt: string } | null;
  readonly cover: readonly {
    readonly currency: string;
    readonly clearing: string;
    readonly owed: string;
    readonly uncovered: boolean;
  }[];
}

/** What stands still or is not covered now. */
async function providersAt(url: string, config: Config): Promise<Finding[]> {
  const answer = await fetch(`${url}/v1/providers`, await asOperator(config)).catch(
    () => undefined,
  );
  if (!answer?.ok) return [];
  const { items } = (await answer.json()) as { items: readonly ShownProvider[] };
  return items.flatMap(({ name: provider, stopped, cover }) => {
    const stop = stopped && { ...stopped, provider, stoppedAt: new Date(stopped.stoppedAt) };
    const short = cover
      .filter(({ uncovered }) => uncovered)
      .map(({ currency, clearing, owed }) => {
        return { provider, currency, clearing: BigInt(clearing), owed: BigInt(owed) };
      });
    return [
      ...(stop === null ? [] : [stoppedLine(stoppedText(stop))]),
      ...short.map((one) => shortCover(uncoveredText(one))),
    ];
  });
}

/** The folder's own secret opens what a server tells operators only. */
async function asOperator(config: Config): Promise<RequestInit> {
  const secret = config.JWT_SECRET ?? (hasSecrets(config) ? tokenSecret(config) : undefined);
  if (secret === undefined || config.JWT_JWKS_URL) return {};
  const token = await mint(config, secret, "command-line", ["auditor"], 60);
  return { headers: { Authorization: `Bearer ${token}` } };
}

/** A server tells of a test clock that was moved. */
async function clockAt(url: string): Promise<Finding[]> {
  const answer = await fetch(`${url}/healthz`).catch(() => undefined);
  const { clockAhead } = ((await answer?.json()) ?? {}) as { clockAhead?: string };
  return clockAhead === undefined ? [] : [movedClock(clockAhead)];
}

function movedClock(ahead: string): Finding {
  return well("clock", `the test clock is ${ahead} ahead: deadlines fall by it`);
}

/** Of a database that is of this version. */
export async function examineTestClock(db: Database, { APP_ENV }: Config): Promise<Finding[]> {
  const [row] = await db.sql<{ offset_ms: bigint }>`SELECT offset_ms FROM escrow.clock`;
  const offsetMs = row?.offset_ms ?? 0n;
  if (offsetMs === 0n) return [];
  const moved = movedClock(formatDuration(offsetMs));
  if (APP_ENV !== "production") return [moved];
  return [
    ill(
      "clock",
      `${moved.text}, and \`app serve\` refuses that`,
      "take a database of its own for production",
    ),
  ];
}

const remedies: Readonly<Record<string, string>> = {
  "28P01": "mend the password in DATABASE_URL",
  "28000": "let this user in (pg_hba.conf), or mend the user in DATABASE_URL",
  "3D000": "make the database, or mend its name in DATABASE_URL",
  "42501": "give the user in DATABASE_URL its rights on what is there",
  "53300": "raise max_connections, or lower DATABASE_POOL_SIZE",
};

export async function examinePostgres(stores: Stores): Promise<Finding[]> {
  const distinct = [...new Set(Object.values(stores.databases) as Database[])];
  const each = await Promise.all(distinct.map(examineOne));
  const found = each.flat();
  if (found.some((one) => one.unreachable)) return found;
  const migrated = await examineMigrations(stores);
  // Without its tables nothing more can be asked.
  const outboxes = migrated.verdict === "ok" ? await examineOutboxes(stores) : [];
  return [...found, migrated, ...outboxes];
}

async function examineOne(db: Database): Promise<Finding[]> {
  try {
    const [row] = await db.sql<{ version: string; name: string }>`
      SELECT current_setting('server_version') AS version, current_database() AS name`;
    return [well("database", `${row?.name}: PostgreSQL ${row?.version}`), await durability(db)];
  } catch (error) {
    return [unusable(error)];
  }
}

function unusable(error: unknown): Finding {
  const remedy = remedies[sqlState(error) ?? ""] ?? "start it, or mend DATABASE_URL";
  return unreachable("database", `PostgreSQL cannot be used: ${textOf(error)}`, remedy);
}

async function durability(db: Database): Promise<Finding> {
  try {
    await assertDurable(db);
    return well("database", "what it acknowledges survives a crash");
  } catch (error) {
    if (!(error instanceof SystemicError)) throw error;
    return ill("database", error.message, "set it to on");
  }
}

/** Of `pending` alone, so that a test can fail it. */
export async function examineMigrations(stores: Pick<Stores, "pending">): Promise<Finding> {
  try {
    const pending = await stores.pending();
    if (pending.length === 0) return well("database", "the schema is of this version");
    const text = `the schema lacks ${pending.length} migrations, the first ${pending[0]}`;
    return ill("database", text, "run `app migrate`");
  } catch (error) {
    if (!(error instanceof SchemaTooNew)) return unusable(error);
    return ill("database", textOf(error), "run the version of `app` that made the schema");
  }
}

const skewToWarnMs = 500;
const skewToFailMs = 2_000;

export async function examineClock(
  name: string,
  remoteTime: () => Promise<Date>,
): Promise<Finding> {
  const before = Date.now();
  const remote = await remoteTime();
  const after = Date.now();
  // Anything between question and answer is no difference.
  const off = remote.getTime() - Math.min(Math.max(remote.getTime(), before), after);
  const text = `the clock of ${name} is ${off} ms off ours`;
  if (Math.abs(off) <= skewToWarnMs) return well("clock", text);
  const remedy = "let all machines follow one time server: deadlines are kept by these clocks";
  return Math.abs(off) <= skewToFailMs ? doubt("clock", text, remedy) : ill("clock", text, remedy);
}

export async function databaseTime(db: Database): Promise<Date> {
  const [row] = await db.sql<{ ms: string }>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS ms`;
  return new Date(Number(row?.ms));
}
