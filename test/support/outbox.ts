/** Outboxes for tests: a module schema of its own, and a log in memory that misbehaves on request. */
import type { Database, Queryable } from "#platform/database/database";
import { SqlName } from "#platform/database/database";
import { loadMigrations } from "#platform/database/migration-files";
import { TransientError } from "#platform/errors";
import type { AppendedRecord, LogProducer, NewRecord } from "#platform/messaging/event-log";

export async function createModuleSchema(db: Queryable, schema: string): Promise<void> {
  const name = new SqlName(schema).text;
  const { templates } = await loadMigrations();
  await db.script(`CREATE SCHEMA ${name}`);
  for (const { sql } of templates) await db.script(sql.replaceAll("{{schema}}", name));
}

/** What happens to a send. "late": it is rejected, and written behind some later send. */
export type Fate = "written" | "reply lost" | "not written" | "late" | Error;

export interface FakeLog {
  readonly records: readonly NewRecord[];
  /** Each send's records, whatever became of them. */
  readonly sends: readonly (readonly NewRecord[])[];
  readonly producersMade: number;
  createProducer(): LogProducer;
  /** Writes what is late. */
  flush(): void;
}

/** Like a broker's client: once a send was rejected, the producer that sent it may not be used again. */
export function createFakeLog(
  fateOf: (records: readonly NewRecord[]) => Fate | Promise<Fate> = () => "written",
): FakeLog {
  const records: NewRecord[] = [];
  const sends: (readonly NewRecord[])[] = [];
  const late: (readonly NewRecord[])[] = [];
  let producersMade = 0;

  function append(batch: readonly NewRecord[]): AppendedRecord[] {
    return batch.map((record) => {
      records.push(record);
      const offset = BigInt(records.length - 1);
      return { topic: record.topic, partition: 0, offset, appendedAt: new Date(0) };
    });
  }

  const flush = (): void => {
    for (const batch of late.splice(0)) append(batch);
  };

  return {
    records,
    sends,
    get producersMade() {
      return producersMade;
    },
    flush,
    createProducer: () => {
      producersMade += 1;
      let usable = true;
      let busy = false;
      return {
        send: async (batch) => {
          if (!usable) throw new Error("a producer was used after a rejection");
          if (busy) throw new Error("a producer has two sends in flight");
          busy = true;
          usable = false;
          sends.push(batch);
          const fate = await fateOf(batch);
          if (fate instanceof Error) throw fate;
          if (fate === "late") late.push(batch);
          else if (fate !== "not written") {
            const appended = append(batch);
            if (fate === "written") {
              flush();
              busy = false;
              usable = true;
              return appended;
            }
          }
          throw new TransientError(`the reply did not come (${fate})`);
        },
        close: async () => undefined,
      };
    },
  };
}

export interface Judgement {
  /** First occurrences that came after a later message of their key. */
  readonly inversions: number;
  readonly lost: number;
  readonly repeats: number;
}

/** Messages are `<key>` with the numbers 1..n in their values; `said` is n by key. */
export function judge(records: readonly NewRecord[], said: ReadonlyMap<string, number>): Judgement {
  const seen = new Map<string, Set<number>>();
  let inversions = 0;
  let repeats = 0;
  for (const { key, value } of records) {
    const number = Number(Buffer.from(value).toString());
    const numbers = seen.get(key) ?? new Set();
    seen.set(key, numbers);
    if (numbers.has(number)) repeats += 1;
    else if ([...numbers].some((other) => other > number)) inversions += 1;
    numbers.add(number);
  }
  let lost = 0;
  for (const [key, count] of said) lost += count - (seen.get(key)?.size ?? 0);
  return { inversions, lost, repeats };
}

export function message(topic: string, key: string, text: string | number): NewRecord {
  return {
    topic,
    key,
    value: Buffer.from(String(text)),
    headers: { "message-id": `${key}:${text}`, "message-type": "test" },
  };
}

/** Small seeded random numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Runs `step` until it has been idle `times` in a row. */
export async function drain(
  worker: { step(): Promise<"worked" | "idle"> },
  times = 1,
): Promise<void> {
  for (let idle = 0; idle < times; ) {
    idle = (await worker.step()) === "idle" ? idle + 1 : 0;
  }
}

export async function waiting(db: Database, schema: string): Promise<number> {
  const [row] = await db.sql<{ n: number }>`
    SELECT count(*)::int AS n FROM ${new SqlName(schema, "outbox")}`;
  return row?.n ?? 0;
}
