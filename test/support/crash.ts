/**
 * Crashes inside one process: stores and log behind a wrapper that dies at a named point. From then
 * on every call of that "process" fails and nothing it began commits; the data lives on for the next.
 */
import type { Database, SqlName, SqlValue, Tx } from "../../src/platform/database/database.ts";
import { TransientError } from "../../src/platform/errors.ts";
import type { EventLog, LogProducer } from "../../src/platform/messaging/event-log.ts";
import type { Databases, Stores } from "../../src/stores.ts";

export type CrashPoint =
  | { readonly at: "send"; readonly topic: string; readonly when: "before" | "after" }
  | { readonly at: "poll"; readonly topic: string }
  /** Inside a transaction, right after a statement: it must leave nothing behind. */
  | { readonly at: "statement"; readonly text: RegExp }
  /** After COMMIT of a transaction that ran such a statement, before anybody learns of it. */
  | { readonly at: "commit"; readonly text: RegExp };

export interface Mortal {
  readonly stores: Stores;
  crashed(): boolean;
}

/** `hit`: the how-manieth time the point is passed it strikes. */
export function mortal(stores: Stores, point: CrashPoint, hit = 1): Mortal {
  let dead = false;
  let passed = 0;
  const alive = () => {
    if (dead) throw new TransientError("crashed");
  };
  const strike = (matches: boolean): void => {
    if (!matches || dead) return;
    passed += 1;
    if (passed < hit) return;
    dead = true;
    alive();
  };

  const wrapTx = (tx: Tx, seen: string[]): Tx => ({
    ...tx,
    sql: async (text, ...values) => {
      alive();
      const rows = await tx.sql(text, ...values);
      seen.push(textOf(text, values));
      strike(point.at === "statement" && point.text.test(textOf(text, values)));
      return rows as never;
    },
  });
  const wrapDatabase = (db: Database): Database => ({
    ...db,
    sql: async (text, ...values) => {
      alive();
      const rows = await db.sql(text, ...values);
      strike(point.at === "commit" && point.text.test(textOf(text, values)));
      return rows as never;
    },
    withTx: async (work, options) => {
      alive();
      const seen: string[] = [];
      const result = await db.withTx(async (tx) => {
        const done = await work(wrapTx(tx, seen));
        alive();
        return done;
      }, options);
      strike(point.at === "commit" && seen.some((text) => point.text.test(text)));
      return result;
    },
  });
  const wrapProducer = (producer: LogProducer): LogProducer => ({
    ...producer,
    send: async (records) => {
      alive();
      const ours = point.at === "send" && records.some(({ topic }) => topic === point.topic);
      strike(ours && point.when === "before");
      const appended = await producer.send(records);
      strike(ours && point.when === "after");
      return appended;
    },
  });
  const wrapLog = (log: EventLog): EventLog => ({
    ...log,
    createProducer: () => wrapProducer(log.createProducer()),
    subscribe: (options) => {
      const subscription = log.subscribe(options);
      return {
        ...subscription,
        poll: async (waitMs) => {
          if (dead) return null;
          const batch = await subscription.poll(waitMs);
          strike(batch !== null && point.at === "poll" && batch.topic === point.topic);
          return batch;
        },
      };
    },
  });

  const wrapped = new Map<Database, Database>();
  const databaseOf = (db: Database): Database => {
    const known = wrapped.get(db) ?? wrapDatabase(db);
    wrapped.set(db, known);
    return known;
  };
  const databases = Object.fromEntries(
    Object.entries(stores.databases).map(([name, db]) => [name, databaseOf(db)]),
  ) as unknown as Databases;
  return {
    crashed: () => dead,
    stores: {
      ...stores,
      databases,
      openLog: (options) => wrapLog(stores.openLog(options)),
      // The data outlives this process.
      close: async () => {},
    },
  };
}

function textOf(text: TemplateStringsArray, values: readonly (SqlValue | SqlName)[]): string {
  return text.reduce((all, part, i) => {
    const value = values[i - 1];
    const name = value && typeof value === "object" && "text" in value ? value.text : "?";
    return `${all}${name.replaceAll('"', "")}${part}`;
  });
}

/** A log that appends every record twice and, where one is read, has it come by twice. */
export function stuttering(stores: Stores): Stores {
  return {
    ...stores,
    openLog: (options) => {
      const log = stores.openLog(options);
      return {
        ...log,
        createProducer: () => {
          const producer = log.createProducer();
          return {
            ...producer,
            send: async (records) => {
              const appended = await producer.send(records);
              await producer.send(records);
              return appended;
            },
          };
        },
      };
    },
  };
}
