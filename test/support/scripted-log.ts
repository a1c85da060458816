/**
 * A log in memory that misbehaves on request. Every subscription believes to own all partitions: two
 * of them are a consumer and its zombie.
 */
import type { EventLog, LogBatch, LogRecord, Subscription } from "#platform/messaging/event-log";

/** What a consumer told the log about a batch. */
export type Told =
  | { readonly done: bigint }
  | { readonly retryAfter: number }
  | { readonly seek: bigint };

export interface ScriptedLog extends EventLog {
  readonly partitions: number;
  end(topic: string, partition: number): bigint;
  append(record: Omit<LogRecord, "offset" | "appendedAt">): bigint;
  /** The next batch of every subscription starts here, as a client does that jumps by itself. */
  jump(topic: string, partition: number, offset: bigint): void;
  /** Retention: everything before is gone. */
  cut(topic: string, partition: number, low: bigint): void;
  /** Leaves a hole, as a control record would. */
  skip(topic: string, partition: number): void;
  rename(clusterId: string): void;
  readonly told: readonly Told[];
  subscriptions: number;
}

interface Partition {
  low: bigint;
  end: bigint;
  readonly records: LogRecord[];
}

export function createScriptedLog(partitions = 1): ScriptedLog {
  const kept = new Map<string, Partition>();
  const positions: Map<string, bigint>[] = [];
  const told: Told[] = [];
  let cluster = "log-1";

  const of = (topic: string, partition: number): Partition => {
    const id = `${topic}/${partition}`;
    const found = kept.get(id) ?? { low: 0n, end: 0n, records: [] };
    kept.set(id, found);
    return found;
  };
  const unused = (): never => {
    throw new Error("the scripted log does not do this");
  };

  const log: ScriptedLog = {
    kind: "table",
    told,
    partitions,
    end: (topic, partition) => of(topic, partition).end,
    subscriptions: 0,
    clusterId: async () => cluster,
    rename: (clusterId) => {
      cluster = clusterId;
    },
    append({ topic, partition, ...rest }) {
      const at = of(topic, partition);
      const offset = at.end;
      at.records.push({ topic, partition, offset, appendedAt: new Date(1_000), ...rest });
      at.end += 1n;
      return offset;
    },
    jump(topic, partition, offset) {
      for (const position of positions) position.set(`${topic}/${partition}`, offset);
    },
    cut(topic, partition, low) {
      of(topic, partition).low = low;
    },
    skip(topic, partition) {
      of(topic, partition).end += 1n;
    },
    subscribe({ topics, startAt, maxRecords }): Subscription {
      const position = new Map<string, bigint>();
      positions.push(position);
      log.subscriptions += 1;
      let state: "joining" | "joined" | "lost" = "joining";
      const inHand = new Set<string>();

      async function take(topic: string, partition: number): Promise<LogBatch | null> {
        const id = `${topic}/${partition}`;
        if (inHand.has(id)) return null;
        const { low, end, records } = of(topic, partition);
        const from =
          position.get(id) ??
          (await startAt(topic, partition, { topic, partition, low, end }, async () => undefined));
        position.set(id, from);
        state = "joined";
        const found = records
          .filter(({ offset }) => offset >= from && offset >= low)
          .slice(0, maxRecords);
        if (found.length === 0) return null;
        inHand.add(id);
        return {
          topic,
          partition,
          records: found,
          low,
          end,
          done: async (next) => {
            inHand.delete(id);
            told.push({ done: next });
            position.set(id, next);
          },
          retryAfter: (ms) => {
            inHand.delete(id);
            told.push({ retryAfter: ms });
          },
          seek: (offset) => {
            inHand.delete(id);
            told.push({ seek: offset });
            position.set(id, offset);
          },
        };
      }

      return {
        state: () => state,
        async poll() {
          try {
            for (const topic of topics) {
              for (let partition = 0; partition < partitions; partition += 1) {
                const batch = await take(topic, partition);
                if (batch !== null) return batch;
              }
            }
          } catch {
            state = "joining";
          }
          return null;
        },
        close: async () => {
          log.subscriptions -= 1;
        },
      };
    },
    createProducer: unused,
    ends: async (topics) =>
      topics.flatMap((topic) =>
        Array.from({ length: partitions }, (_, partition) => {
          const { low, end } = of(topic, partition);
          return { topic, partition, low, end };
        }),
      ),
    read: unused,
    lag: unused,
    ensureTopics: unused,
    ping: async () => {},
    close: async () => {},
  };
  return log;
}
