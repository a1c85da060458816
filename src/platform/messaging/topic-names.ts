/**
 * Lets several installations share one cluster, and a topic have a name of the owner's choice: names
 * of topics and groups are changed on the way in and changed back on the way out. Groups get the
 * prefix, since members of one group would otherwise divide different topics.
 */
import type { EventLog, LogProducer, SubscribeOptions, Subscription } from "./event-log.ts";
import { RecordRefusedError, TopicUnavailableError } from "./event-log.ts";

export interface TopicNaming {
  readonly prefix: string;
  /** The whole name of a topic in this cluster, where one was chosen. */
  readonly chosen?: (name: string) => string | undefined;
}

const deadLetters = ".dlq";

/** Where copies of a topic's dead letters go. */
export function deadLetterTopic(topic: string): string {
  return topic + deadLetters;
}

/** What a topic of the catalogue is called in this cluster; dead letters follow their topic. */
export function topicNameIn({ prefix, chosen }: TopicNaming, name: string): string {
  const dead = name.endsWith(deadLetters) ? deadLetters : "";
  const own = chosen?.(name.slice(0, name.length - dead.length));
  return own === undefined ? prefix + name : own + dead;
}

export function withTopicNames(log: EventLog, naming: TopicNaming): EventLog {
  const { prefix, chosen } = naming;
  if (prefix === "" && chosen === undefined) return log;
  /** Whoever comes back has been sent before. */
  const known = new Map<string, string>();
  const add = (name: string): string => {
    const there = topicNameIn(naming, name);
    known.set(there, name);
    return there;
  };
  const strip = <T extends { readonly topic: string }>(one: T): T => ({
    ...one,
    topic: bare(one.topic),
  });
  const bareGroup = (name: string): string =>
    name.startsWith(prefix) ? name.slice(prefix.length) : name;
  const bare = (name: string): string => known.get(name) ?? bareGroup(name);
  const named = (error: unknown): unknown => {
    if (error instanceof RecordRefusedError) {
      return new RecordRefusedError(bare(error.topic), error.message, { cause: error });
    }
    if (error instanceof TopicUnavailableError) {
      return new TopicUnavailableError(bare(error.topic), error.message, { cause: error });
    }
    return error;
  };

  return {
    ...log,
    nameOf: (topic) => topicNameIn(naming, topic),
    createProducer: (): LogProducer => {
      const producer = log.createProducer();
      return {
        close: () => producer.close(),
        async send(records) {
          try {
            const renamed = records.map((record) => ({ ...record, topic: add(record.topic) }));
            return (await producer.send(renamed)).map(strip);
          } catch (error) {
            throw named(error);
          }
        },
      };
    },
    subscribe: (options: SubscribeOptions): Subscription => {
      const subscription = log.subscribe({
        ...options,
        group: prefix + options.group,
        topics: options.topics.map(add),
        startAt: (topic, partition, ends, lastDone) =>
          options.startAt(bare(topic), partition, strip(ends), lastDone),
      });
      return {
        ...subscription,
        async poll(waitMs) {
          const batch = await subscription.poll(waitMs);
          return batch && { ...strip(batch), records: batch.records.map(strip) };
        },
      };
    },
    ends: async (topics) => (await log.ends(topics.map(add))).map(strip),
    read: async (topic, partition, from, limit) =>
      (await log.read(add(topic), partition, from, limit)).map(strip),
    lag: async (groups) =>
      (await log.lag(groups.map((group) => prefix + group))).map((one) => ({
        ...strip(one),
        group: bareGroup(one.group),
      })),
    // What changed is told by the names the cluster has.
    ensureTopics: (topics, options) =>
      log.ensureTopics(
        topics.map((topic) => ({ ...topic, name: add(topic.name) })),
        options,
      ),
  };
}
