/**
 * What was fetched of one assigned partition and is not done yet. The client fetches ahead into this
 * buffer and is paused above a bound, so a slow lane holds up neither the heartbeats nor the other
 * partitions, and a batch to be tried again is still here.
 */
import type { LogRecord } from "../event-log.ts";

/** Above this the partition is paused; a single fetch may exceed it by its own size. */
const fullBytes = 524_288;
const fullRecords = 2_000;

export interface KafkaPartition {
  readonly topic: string;
  readonly partition: number;
  /** The next record to hand out; unknown until the reader said where it starts. */
  position: bigint | undefined;
  /** The next record to fetch. */
  fetchFrom: bigint;
  low: bigint;
  end: bigint;
  inHand: boolean;
  /** Taken from this member: a batch of it that is still in hand changes nothing any more. */
  revoked: boolean;
  paused: boolean;
  notBeforeMs: number;
  buffer: LogRecord[];
  bytes: number;
}

export function newPartition(topic: string, partition: number): KafkaPartition {
  return {
    topic,
    partition,
    position: undefined,
    fetchFrom: 0n,
    low: 0n,
    end: 0n,
    inHand: false,
    revoked: false,
    paused: true,
    notBeforeMs: 0,
    buffer: [],
    bytes: 0,
  };
}

/** Adds what was fetched; what is there already is left out. */
export function fill(partition: KafkaPartition, records: readonly LogRecord[]): void {
  for (const record of records) {
    if (record.offset < partition.fetchFrom) continue;
    partition.buffer.push(record);
    partition.bytes += record.value.length;
    partition.fetchFrom = record.offset + 1n;
  }
}

export function isFull({ buffer, bytes }: KafkaPartition): boolean {
  return bytes >= fullBytes || buffer.length >= fullRecords;
}

export function isLow({ buffer, bytes }: KafkaPartition): boolean {
  return bytes < fullBytes / 2 && buffer.length < fullRecords / 2;
}

/** Goes on at `position`; false when that is not in the buffer and has to be fetched. */
export function moveTo(partition: KafkaPartition, position: bigint): boolean {
  const first = partition.buffer[0]?.offset ?? partition.fetchFrom;
  partition.position = position;
  if (position < first || position > partition.fetchFrom) {
    partition.buffer = [];
    partition.bytes = 0;
    partition.fetchFrom = position;
    return false;
  }
  const kept = partition.buffer.findIndex(({ offset }) => offset >= position);
  const dropped = partition.buffer.splice(0, kept === -1 ? partition.buffer.length : kept);
  for (const { value } of dropped) partition.bytes -= value.length;
  return true;
}
