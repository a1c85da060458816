/**
 * The two parts of kafkajs that read a partition without a group. Its public consumer can only read
 * as a member of a group, which costs a join and leaves a group behind for every look into a topic.
 */
declare module "kafkajs/src/cluster/index.js" {
  import type { ISocketFactory, RetryOptions } from "kafkajs";

  interface ClusterOptions {
    readonly logger: unknown;
    readonly brokers: readonly string[];
    readonly clientId: string;
    readonly ssl: unknown;
    readonly sasl: unknown;
    readonly connectionTimeout: number;
    readonly authenticationTimeout: number;
    readonly requestTimeout: number;
    readonly enforceRequestTimeout: boolean;
    readonly metadataMaxAge: number;
    readonly retry: RetryOptions;
    readonly allowAutoTopicCreation: boolean;
    readonly isolationLevel: number;
    readonly socketFactory: ISocketFactory;
  }

  interface FetchOptions {
    readonly isolationLevel: number;
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly topics: readonly {
      topic: string;
      partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[];
    }[];
  }

  export interface FetchedPartition {
    readonly partition: number;
    readonly highWatermark: string;
    readonly messages: readonly unknown[];
  }

  interface Broker {
    fetch(options: FetchOptions): Promise<{
      responses: readonly { topicName: string; partitions: readonly FetchedPartition[] }[];
    }>;
  }

  interface Cluster {
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
    findBroker(broker: { nodeId: string }): Promise<Broker>;
    fetchTopicsOffset(
      topics: readonly {
        topic: string;
        fromBeginning: boolean;
        partitions: readonly { partition: number }[];
      }[],
    ): Promise<readonly { partitions: readonly { partition: number; offset: string }[] }[]>;
  }

  const Cluster: new (options: ClusterOptions) => Cluster;
  export = Cluster;
}

declare module "kafkajs/src/consumer/batch.js" {
  import type { KafkaMessage } from "kafkajs";

  interface Batch {
    /** Without control records and those of aborted transactions. */
    readonly messages: readonly KafkaMessage[];
    readonly rawMessages: readonly { offset: string }[];
  }

  const Batch: new (topic: string, fetchedOffset: string, partition: unknown) => Batch;
  export = Batch;
}

declare module "kafkajs/src/loggers/index.js" {
  import type { logCreator, logLevel } from "kafkajs";

  export function createLogger(options: { level: logLevel; logCreator: logCreator }): unknown;
}
