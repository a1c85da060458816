/**
 * Lets several installations share one cluster: names of topics and groups get a prefix on the way
 * in, lose it on the way out. Members of one group would otherwise divide different topics.
 */
import type { EventLog, LogProducer, SubscribeOptions, Subscription } from "./event-log.ts";
import { RecordRefusedError, TopicUnavailableError } from "./event-log.ts";

export function withTopicPrefix(log: EventLog, prefix: string): EventLog {
  if (prefix === "") return log;
  const add = (name: string): string => prefix + name;
  const strip = <T extends { readonly topic: string }>(one: T): T => ({
    ...one,
    topic: bare(one.topic),
  });
  const bare = (name: string): string =>
    name.startsWith(prefix) ? name.slice(prefix.length) : name;
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
        group: add(options.group),
        topics: options.topics.map(add),
        startAt: (topic, partition, ends) => options.startAt(bare(topic), partition, strip(ends)),
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
      (await log.lag(groups.map(add))).map((one) => ({ ...strip(one), group: bare(one.group) })),
    ensureTopics: (topics, options) =>
      log.ensureTopics(
        topics.map((topic) => ({ ...topic, name: add(topic.name) })),
        options,
      ),
  };
}
