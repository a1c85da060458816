/**
 * The catalogue and the table of rights as others want them: resources of the Strimzi operator, or
 * commands of Kafka's own tools. Nothing is asked of a cluster.
 */
import { topicConfig } from "#platform/messaging/kafka/topics";
import { type TopicNaming, topicNameIn } from "#platform/messaging/topic-names";
import { type KafkaRights, type KafkaUser, kafkaUsers, rightsOf } from "../kafka-rights.ts";
import { topicSettings } from "../topic-settings.ts";

export interface FormatOptions {
  readonly naming: TopicNaming;
  readonly replicas: number;
  /** The Strimzi cluster that the resources belong to. */
  readonly cluster: string;
}

const apiVersion = "kafka.strimzi.io/v1";

/** KafkaTopic resources. */
export function strimziTopics({ naming, replicas, cluster }: FormatOptions): string {
  return documents(
    topicSettings().map((topic) => {
      const topicName = topicNameIn(naming, topic.name);
      return {
        apiVersion,
        kind: "KafkaTopic",
        metadata: { name: resourceName(topicName), labels: labels(cluster) },
        spec: {
          topicName,
          partitions: topic.partitions,
          replicas,
          config: Object.fromEntries(topicConfig(topic, replicas)),
        },
      };
    }),
  );
}

/** KafkaUser resources: a user per role with SCRAM-SHA-512 and no more rights than it needs. */
export function strimziUsers({ naming, cluster }: FormatOptions): string {
  return documents(
    kafkaUsers.map((user) => ({
      apiVersion,
      kind: "KafkaUser",
      metadata: { name: `app-${user}`, labels: labels(cluster) },
      spec: {
        authentication: { type: "scram-sha-512" },
        authorization: {
          type: "simple",
          acls: grants(user, naming).flatMap(({ type, names, operations }) =>
            names.map((name) => ({
              resource: { type, name, patternType: "literal" },
              // Each its own list: one that is met twice would be written as a reference.
              operations: [...operations],
              host: "*",
            })),
          ),
        },
      },
    })),
  );
}

/** Commands of kafka-acls; the shell fills in where the brokers are and who asks. */
export function aclCommands({ naming }: FormatOptions): string {
  const lines = kafkaUsers.flatMap((user) =>
    grants(user, naming).map(
      (grant) => `kafka-acls.sh "$@" ${aclArguments(user, grant).join(" ")}`,
    ),
  );
  return [
    "#!/bin/sh",
    "# sh this-file --bootstrap-server broker:9094 --command-config admin.properties",
    "set -e",
    ...lines,
    "",
  ].join("\n");
}

interface Grant {
  readonly type: "topic" | "group";
  readonly names: readonly string[];
  readonly operations: readonly string[];
}

function aclArguments(user: KafkaUser, { type, names, operations }: Grant): string[] {
  return [
    "--add",
    "--allow-principal",
    `User:app-${user}`,
    ...operations.flatMap((operation) => ["--operation", operation]),
    ...names.flatMap((name) => [`--${type}`, name]),
  ];
}

/** What Kafka must allow; Read and Write bring Describe along, but not the right to see settings. */
function grants(user: KafkaUser, naming: TopicNaming): readonly Grant[] {
  const { writes, reads, groups, administers } = rightsOf(user);
  const named = (list: readonly string[]) => list.map((name) => topicNameIn(naming, name));
  const both = reads.filter((name) => writes.includes(name));
  const all: Grant[] = [
    topicGrant(named(both), ["Write", ...readOperations({ administers })]),
    topicGrant(named(without(writes, both)), ["Write", "DescribeConfigs"]),
    topicGrant(named(without(reads, both)), readOperations({ administers })),
    {
      type: "group",
      names: groups.map((group) => naming.prefix + group),
      operations: administers ? ["Describe"] : ["Read"],
    },
  ];
  return all.filter(({ names }) => names.length > 0);
}

function topicGrant(names: readonly string[], operations: readonly string[]): Grant {
  return { type: "topic", names, operations };
}

function readOperations({ administers }: Pick<KafkaRights, "administers">): readonly string[] {
  const setUp = ["Create", "Alter", "AlterConfigs"];
  return ["Read", "DescribeConfigs", ...(administers ? setUp : [])];
}

function without(list: readonly string[], others: readonly string[]): readonly string[] {
  return list.filter((name) => !others.includes(name));
}

function labels(cluster: string) {
  return { "strimzi.io/cluster": cluster };
}

/** Kubernetes takes lower case and no underscores. */
function resourceName(topic: string): string {
  return topic.toLowerCase().replaceAll(/[^a-z0-9.-]/g, "-");
}

function documents(resources: readonly object[]): string {
  return resources.map((resource) => `---\n${Bun.YAML.stringify(resource, null, 2)}\n`).join("");
}
