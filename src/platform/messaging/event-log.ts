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
  /** Done up to `next`. The log's own position may be behind: it serves display, and readers that keep none. */
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

/** Up to where the group's members have said `done`, give or take the last second; undefined when none ever did. */
export type LastDone = () => Promise<bigint | undefined>;

export interface SubscribeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Where each partition starts, asked at assignment: the reader's own cursor, or what was last done. */
  readonly startAt: (
    topic: string,
    partition: number,
    ends: PartitionEnds,
    lastDone: LastDone,
  ) => Promise<bigint>;
  /** At most this many records in one batch. */
  readonly maxRecords: number;
}

export interface Subscription {
  /** The next batch of a partition that is in nobody's hand, or null when none came within `waitMs`. Several lanes may call at once. */
  poll(waitMs: number): Promise<LogBatch | null>;
  /**
   * "joining" while there is no log or topic to read, too: it goes on trying. "joined" once this
   * member's partitions are known and fetching; "lost" when it died for good: the process must end.
   */
  state(): "joining" | "joined" | "lost";
  /** Leaves the group after the batches in hand are given back. */
  close(): Promise<void>;
}

/**
 * Rejects with TransientError (outcome unknown), RecordRefusedError or TopicUnavailableError. After
 * any rejection the producer is of no more use: close it, make another, send the same again.
 */
export interface LogProducer {
  /**
   * Appends all records, in order per key; resolved means acknowledged by all in-sync replicas. The
   * answers are in the order of the records. One call in flight at a time is the caller's duty, and
   * one topic per call lets a topic fail alone.
   */
  send(records: readonly NewRecord[]): Promise<readonly AppendedRecord[]>;
  /** Never waits longer than a few seconds. */
  close(): Promise<void>;
}

/**
 * The log refuses a record for its size or form, and will again. A lone record was not written; of
 * several, those for other partitions may have been.
 */
export class RecordRefusedError extends Error {
  override readonly name = "RecordRefusedError";
  readonly topic: string;
  constructor(topic: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.topic = topic;
  }
}

/** The topic is missing, or this client may not write it: true for all its records, until someone repairs it. */
export class TopicUnavailableError extends Error {
  override readonly name = "TopicUnavailableError";
  readonly topic: string;
  constructor(topic: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.topic = topic;
  }
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

/** One difference between a topic and what the catalogue says of it. */
export interface TopicChange {
  /**
   * "reorder": another number of partitions, which moves keys and breaks their order; "replicas":
   * fewer copies than wanted, which the cluster's owner reassigns.
   */
  readonly kind: "create" | "set" | "reorder" | "replicas";
  readonly topic: string;
  /** Of "set" only. */
  readonly setting?: string;
  /** Undefined where the topic does not exist. */
  readonly is?: string | undefined;
  readonly wanted: string;
}

export interface EnsureTopicsOptions {
  /** Resolves to every difference, changes nothing, refuses nothing. */
  readonly dryRun?: boolean;
  readonly allowReorder?: boolean;
  /** Copies of each topic; what the cluster has room for when absent. */
  readonly replicas?: number | undefined;
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
  /** What a topic is called there, for people; absent where it is called as here. */
  readonly nameOf?: (topic: string) => string;
  /** Names this log: a cursor kept for another one must not be used. */
  clusterId(): Promise<string>;
  createProducer(): LogProducer;
  subscribe(options: SubscribeOptions): Subscription;
  ends(topics: readonly string[]): Promise<readonly PartitionEnds[]>;
  /** The first records from offset `from` on, at most `limit` and maybe fewer; none means the end was reached. */
  read(
    topic: string,
    partition: number,
    from: bigint,
    limit: number,
  ): Promise<readonly LogRecord[]>;
  lag(groups: readonly string[]): Promise<readonly GroupLag[]>;
  /**
   * Creates what is missing and repairs settings; resolves to what was (or with dryRun would be)
   * changed. More partitions move keys to other ones and break their order, so that is refused with
   * a TerminalError unless allowed, before anything is changed; fewer are refused always.
   */
  ensureTopics(
    topics: readonly TopicSettings[],
    options?: EnsureTopicsOptions,
  ): Promise<readonly TopicChange[]>;
  /** Rejects with TransientError while the log cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
