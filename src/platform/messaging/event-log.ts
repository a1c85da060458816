/**
 * The port to an ordered, partitioned log. Two adapters stand behind it and pass one contract
 * suite: Kafka by kafkajs, and tables in PGlite or PostgreSQL. Promises: per key order, at least
 * once, positions by group. Never called inside a database transaction.
 */

/** A message to append. The partition follows from the key by Kafka's murmur2. */
export interface NewRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** "" when the record has none. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** The log's time on "append" topics, the sender's on "create" topics. */
  readonly appendedAt: Date;
}

/** Consecutive records of one partition, in hand of one lane until one of the three calls below. */
export interface LogBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly LogRecord[];
  /** The log's first kept offset and its end when the batch was fetched. */
  readonly low: bigint;
  readonly end: bigint;
  /** Done up to `next`; the log's own position serves lag display only. */
  done(next: bigint): Promise<void>;
  /** The same records come again after `delayMs`; other partitions flow meanwhile. */
  retryAfter(delayMs: number): void;
  /** The next batch of this partition starts at `offset`. */
  seek(offset: bigint): void;
}

export interface PartitionEnds {
  readonly topic: string;
  readonly partition: number;
  readonly low: bigint;
  readonly end: bigint;
}

export interface SubscribeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Where each partition starts: the reader's own cursor. Asked at assignment. */
  readonly startAt: (topic: string, partition: number, ends: PartitionEnds) => Promise<bigint>;
  /** At most this many records in one batch. */
  readonly maxRecords: number;
}

export interface Subscription {
  /** The next batch of a partition that is in nobody's hand, or null when none came within `waitMs`. Several lanes may call at once. */
  poll(waitMs: number): Promise<LogBatch | null>;
  /** "joined" once partitions are assigned and fetching; "lost" when the member died for good: the process must end. */
  state(): "joining" | "joined" | "lost";
  /** Leaves the group after the batches in hand are given back. */
  close(): Promise<void>;
}

/** Rejects with TransientError (outcome unknown), or RecordRefusedError (nothing of that topic's records was written). */
export interface LogProducer {
  /** Appends all records, in order per key; resolved means acknowledged by all in-sync replicas. One call in flight at a time is the caller's duty. */
  send(records: readonly NewRecord[]): Promise<readonly AppendedRecord[]>;
  close(): Promise<void>;
}

export interface AppendedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly appendedAt: Date;
}

export interface TopicSettings {
  readonly name: string;
  readonly partitions: number;
  readonly retentionDays: number | "forever";
  readonly timestamps: "create" | "append";
}

export interface GroupLag {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly position: bigint;
  readonly end: bigint;
}

export interface EventLog {
  readonly kind: "kafka" | "table";
  /** Names this log: a cursor kept for another one must not be used. */
  clusterId(): Promise<string>;
  createProducer(): LogProducer;
  subscribe(options: SubscribeOptions): Subscription;
  ends(topics: readonly string[]): Promise<readonly PartitionEnds[]>;
  /** Records [from, from + limit) of one partition, without a group. */
  read(
    topic: string,
    partition: number,
    from: bigint,
    limit: number,
  ): Promise<readonly LogRecord[]>;
  lag(groups: readonly string[]): Promise<readonly GroupLag[]>;
  /** Creates what is missing; resolves to what was (or with dryRun would be) changed. Refuses what would reorder keys. */
  ensureTopics(
    topics: readonly TopicSettings[],
    options?: { dryRun?: boolean },
  ): Promise<readonly string[]>;
  /** Rejects with TransientError while the log cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
