/** Creates Kafka's topics as the catalogue says and repairs their settings; never by the way of use. */
import { type Admin, ConfigResourceTypes } from "kafkajs";
import { TerminalError, TransientError } from "../errors.ts";
import type { TopicSettings } from "./event-log.ts";

const dayMs = 86_400_000;
/** Where a setting was made for this topic, and not for the broker or by default. */
const setOnTopic = 1;
/** The deadline of the whole preparation is a little later. */
const ledWithinMs = 15_000;

export interface EnsureOptions {
  readonly dryRun?: boolean;
  readonly allowReorder?: boolean;
}

interface Existing {
  readonly partitions: number;
  readonly settings: ReadonlyMap<string, { value: string; own: boolean }>;
}

export async function ensureKafkaTopics(
  admin: Admin,
  topics: readonly TopicSettings[],
  { dryRun = false, allowReorder = false }: EnsureOptions,
): Promise<string[]> {
  const { brokers } = await admin.describeCluster();
  const replicas = brokers.length >= 3 ? 3 : 1;
  const existing = await describe(admin, topics);
  const plans = topics.map((topic) =>
    plan(topic, existing.get(topic.name), replicas, allowReorder),
  );
  if (!dryRun) {
    await create(admin, plans, replicas);
    for (const { topic, grow } of plans) {
      const wanted = { topic: topic.name, count: topic.partitions };
      if (grow) await admin.createPartitions({ topicPartitions: [wanted] });
    }
    await repair(admin, plans);
  }
  return plans.flatMap(({ changes }) => changes);
}

interface Plan {
  readonly topic: TopicSettings;
  readonly create: boolean;
  readonly grow: boolean;
  /** All settings made on the topic, when they have to be written again: they replace the old ones. */
  readonly settings: ReadonlyMap<string, string> | undefined;
  readonly wanted: ReadonlyMap<string, string>;
  readonly changes: readonly string[];
}

function plan(
  topic: TopicSettings,
  existing: Existing | undefined,
  replicas: number,
  allowReorder: boolean,
): Plan {
  const { name, partitions } = topic;
  const wanted = wantedSettings(topic, replicas);
  if (existing === undefined) {
    const changes = [`create ${name} with ${partitions} partitions`];
    return { topic, create: true, grow: false, settings: undefined, wanted, changes };
  }
  if (existing.partitions > partitions || (existing.partitions < partitions && !allowReorder)) {
    throw new TerminalError(
      `${name} has ${existing.partitions} partitions, not ${partitions}: a change breaks the order of its keys`,
    );
  }
  const grow = existing.partitions < partitions;
  const wrong = [...wanted].filter(([key, value]) => existing.settings.get(key)?.value !== value);
  const own = [...existing.settings].filter(([, setting]) => setting.own);
  const kept = own.map(([key, { value }]): [string, string] => [key, value]);
  return {
    topic,
    create: false,
    grow,
    settings: wrong.length > 0 ? new Map([...kept, ...wanted]) : undefined,
    wanted,
    changes: [
      ...(grow ? [`grow ${name} to ${partitions} partitions`] : []),
      ...wrong.map(([key, value]) => `set ${key}=${value} on ${name}`),
    ],
  };
}

/** Compaction would lose history: event topics are keyed by escrow, of which each event is needed. */
function wantedSettings({ retentionDays, timestamps }: TopicSettings, replicas: number) {
  const retention = retentionDays === "forever" ? -1 : retentionDays * dayMs;
  return new Map([
    ["cleanup.policy", "delete"],
    ["retention.ms", String(retention)],
    ["message.timestamp.type", timestamps === "append" ? "LogAppendTime" : "CreateTime"],
    ["min.insync.replicas", replicas >= 3 ? "2" : "1"],
    ["unclean.leader.election.enable", "false"],
  ]);
}

async function create(admin: Admin, plans: readonly Plan[], replicas: number): Promise<void> {
  const missing = plans.filter((one) => one.create);
  if (missing.length === 0) return;
  await admin.createTopics({
    waitForLeaders: true,
    topics: missing.map(({ topic, wanted }) => ({
      topic: topic.name,
      numPartitions: topic.partitions,
      replicationFactor: replicas,
      configEntries: entriesOf(wanted),
    })),
  });
  const until = performance.now() + ledWithinMs;
  for (const { topic } of missing) await untilLed(admin, topic, until);
}

/**
 * The metadata names a leader before that broker knows of it: everything that starts until then
 * meets refusals and joins its groups over and over.
 */
async function untilLed(
  admin: Admin,
  { name, partitions }: TopicSettings,
  until: number,
): Promise<void> {
  const isLed = async () => (await admin.fetchTopicOffsets(name)).length === partitions;
  while (!(await isLed().catch(() => false))) {
    if (performance.now() > until) throw new TransientError(`${name} has no leaders yet`);
    await Bun.sleep(100);
  }
}

async function repair(admin: Admin, plans: readonly Plan[]): Promise<void> {
  const resources = plans.flatMap(({ topic, settings }) =>
    settings === undefined
      ? []
      : [
          {
            type: ConfigResourceTypes.TOPIC,
            name: topic.name,
            configEntries: entriesOf(settings),
          },
        ],
  );
  if (resources.length > 0) await admin.alterConfigs({ validateOnly: false, resources });
}

function entriesOf(settings: ReadonlyMap<string, string>): { name: string; value: string }[] {
  return [...settings].map(([name, value]) => ({ name, value }));
}

async function describe(
  admin: Admin,
  topics: readonly TopicSettings[],
): Promise<Map<string, Existing>> {
  const all = new Set(await admin.listTopics());
  const names = topics.map(({ name }) => name).filter((name) => all.has(name));
  if (names.length === 0) return new Map();
  const metadata = await admin.fetchTopicMetadata({ topics: names });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
  });
  const settings = new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(
        configEntries.map(({ configName, configValue, configSource }) => [
          configName,
          { value: configValue, own: Number(configSource) === setOnTopic },
        ]),
      ),
    ]),
  );
  return new Map(
    metadata.topics.map(({ name, partitions }) => [
      name,
      { partitions: partitions.length, settings: settings.get(name) ?? new Map() },
    ]),
  );
}
