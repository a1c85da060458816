/**
 * A log whose values bear the schema registry's frame outside of this program and nowhere inside:
 * put on when a message is sent, taken off when it is read, framed or not. Without the schema's id
 * nothing is sent at all, because a bare value would stop readers that look for the frame.
 */
import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { TransientError } from "../errors.ts";
import type { EventLog, LogRecord, NewRecord } from "../messaging/event-log.ts";
import type { AnyTopic } from "../messaging/topic.ts";
import { deadLetterTopic } from "../messaging/topic-names.ts";
import { isFramed, type WireFormat, wireFormatOf } from "./wire-format.ts";

export interface FramedLogOptions {
  readonly topics: readonly AnyTopic[];
  /** The id of a topic's schema, undefined while it is not known. Absent: nothing is framed. */
  readonly idOf?: ((topic: string) => number | undefined) | undefined;
}

interface Framing {
  /** The topic whose schema it is: a dead letter's copy has that of its topic. */
  readonly topic: string;
  readonly format: WireFormat;
  /** Copies of dead letters may be anything; what is no message of the topic goes as it came. */
  readonly only?: DescMessage;
}

export function withFrames(log: EventLog, { topics, idOf }: FramedLogOptions): EventLog {
  const framings = framingsOf(topics);
  const open = (record: LogRecord): LogRecord => {
    if (!isFramed(record.value)) return record;
    const format = framings.get(record.topic)?.format;
    return format === undefined ? record : { ...record, value: format.open(record.value) };
  };
  const dress = (record: NewRecord): NewRecord => {
    const framing = framings.get(record.topic);
    if (idOf === undefined || framing === undefined || !takesFrame(framing, record)) return record;
    const id = idOf(framing.topic);
    if (id === undefined) {
      throw new TransientError(`the schema registry's id for ${framing.topic} is not known yet`);
    }
    return { ...record, value: Buffer.concat([framing.format.frame(id), record.value]) };
  };
  return {
    ...log,
    createProducer() {
      const producer = log.createProducer();
      return {
        close: () => producer.close(),
        send: async (records) => producer.send(records.map(dress)),
      };
    },
    subscribe(options) {
      const subscription = log.subscribe(options);
      return {
        ...subscription,
        async poll(waitMs) {
          const batch = await subscription.poll(waitMs);
          return batch && { ...batch, records: batch.records.map(open) };
        },
      };
    },
    read: async (topic, partition, from, limit) =>
      (await log.read(topic, partition, from, limit)).map(open),
  };
}

function framingsOf(topics: readonly AnyTopic[]): ReadonlyMap<string, Framing> {
  return new Map(
    topics.flatMap(({ name, schema }): [string, Framing][] => {
      const framing = { topic: name, format: wireFormatOf(schema) };
      return [
        [name, framing],
        [deadLetterTopic(name), { ...framing, only: schema }],
      ];
    }),
  );
}

function takesFrame({ only }: Framing, { value }: NewRecord): boolean {
  if (only === undefined) return true;
  if (value.length === 0 || isFramed(value)) return false;
  try {
    fromBinary(only, value);
    return true;
  } catch {
    return false;
  }
}
