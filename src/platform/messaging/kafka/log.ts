/** The log in Kafka, by kafkajs. Nothing of the client is seen beyond the files named kafka-*. */
import { refuseInsideTx } from "../../database/inside-tx.ts";
import type { EventLog, LogProducer, Subscription } from "../event-log.ts";
import { type TopicNaming, withTopicNames } from "../topic-names.ts";
import {
  createKafkaAdmin,
  type KafkaAdmin,
  readKafkaEnds,
  readKafkaLag,
  readKafkaPosition,
} from "./admin.ts";
import { createKafkaClient, type KafkaClientOptions } from "./client.ts";
import type { KafkaCompression } from "./compression.ts";
import { createKafkaDiagnosis, type KafkaDiagnosis } from "./diagnosis.ts";
import { createKafkaProducer } from "./producer.ts";
import { createKafkaReader } from "./reader.ts";
import { createKafkaSubscription } from "./subscription.ts";
import { ensureKafkaTopics, type PlannedChanges } from "./topics.ts";

export interface KafkaLogOptions extends KafkaClientOptions {
  readonly naming?: TopicNaming | undefined;
  /** After this a send is given up as unknown. */
  readonly sendDeadlineMs?: number;
  /** Of what is sent; what is read may be packed either way. None unless told otherwise. */
  readonly compression?: KafkaCompression | undefined;
}

/** Connects when first used, so that the program starts without a broker. */
export function createKafkaLog(options: KafkaLogOptions): EventLog {
  const {
    logger,
    observer,
    compression,
    naming = { prefix: "" },
    sendDeadlineMs = 10_000,
  } = options;
  const kafka = createKafkaClient(options);
  const diagnosis = createKafkaDiagnosis(options);
  const admin = explained(createKafkaAdmin(kafka), diagnosis);
  let pinging: Promise<unknown> | undefined;
  const reader = createKafkaReader(options);
  const open = new Set<{ close(): Promise<void> }>();
  const readEnds: EventLog["ends"] = (topics) =>
    admin.use("reading the ends", (client) => readKafkaEnds(client, topics));

  const log: EventLog = {
    kind: "kafka",
    clusterId: () =>
      admin.use(
        "reading the cluster's id",
        async (client) => (await client.describeCluster()).clusterId,
      ),
    createProducer: (): LogProducer =>
      createKafkaProducer({ kafka, logger, deadlineMs: sendDeadlineMs, observer, compression }),
    subscribe(subscribeOptions): Subscription {
      refuseInsideTx("EventLog.subscribe");
      const subscription = createKafkaSubscription({
        kafka,
        logger: logger.child({ group: subscribeOptions.group }),
        readEnds,
        readDone: (group, place) =>
          admin.use("reading a position", (client) => readKafkaPosition(client, group, place)),
        // As everywhere in the metrics: without the prefix.
        onJoined: () => observer?.rebalanced(subscribeOptions.group.slice(naming.prefix.length)),
        options: subscribeOptions,
      });
      open.add(subscription);
      return subscription;
    },
    ends: readEnds,
    read: (topic, partition, from, limit) => reader.read(topic, partition, from, limit),
    lag: (groups) => admin.use("reading the lag", (client) => readKafkaLag(client, groups)),
    async ensureTopics(topics, ensureOptions = {}) {
      const planned: PlannedChanges = new Map();
      try {
        return await admin.use("preparing the topics", (client) =>
          ensureKafkaTopics(client, topics, ensureOptions, planned),
        );
      } finally {
        // What it knows of the cluster is from before.
        await admin.close();
      }
    },
    async ping() {
      pinging ??= admin
        .use("asking the brokers", (client) => client.describeCluster())
        .finally(() => {
          pinging = undefined;
        });
      const answer = pinging;
      answer.catch(() => undefined);
      const known = diagnosis.known();
      await (known === undefined ? answer : Promise.race([answer, rejectAfter(patienceMs, known)]));
    },
    async close() {
      await Promise.all([...open].map((one) => one.close()));
      await Promise.all([admin.close(), reader.close()]);
    },
  };
  return withTopicNames(log, naming);
}

/** Whoever asks whether all is well cannot wait for time-outs when it is known that it is not. */
const patienceMs = 1_000;

async function rejectAfter(ms: number, error: Error): Promise<never> {
  await Bun.sleep(ms);
  throw error;
}

function explained(admin: KafkaAdmin, diagnosis: KafkaDiagnosis): KafkaAdmin {
  return {
    ...admin,
    async use(what, work) {
      try {
        const answer = await admin.use(what, work);
        diagnosis.worked();
        return answer;
      } catch (error) {
        throw await diagnosis.explain(error);
      }
    },
  };
}
