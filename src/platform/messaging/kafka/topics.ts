/** Creates Kafka's topics as the catalogue says and repairs their settings; never by the way of use. */
import { type Admin, ConfigResourceTypes } from "kafkajs";
import { TerminalError, TransientError } from "../../errors.ts";
import type { EnsureTopicsOptions, TopicChange, TopicSettings } from "../event-log.ts";
import { refuseReorder } from "../topic-changes.ts";

const dayMs = 86_400_000;
/** Where a setting was made for this topic, and not for the broker or by default. */
const setOnTopic = 1;
/** Kafka's default; our batches are at most half of it, our messages a little smaller. */
const maxBatchBytes = 1_048_588;
/** The deadline of the whole preparation is a little later. */
const ledWithinMs = 15_000;

interface Existing {
  readonly partitions: number;
  readonly replicas: number;
  readonly settings: ReadonlyMap<string, { value: string; own: boolean }>;
}

/** What was planned so far. An attempt that fails half way has done some of it, and the next finds it done. */
export type PlannedChanges = Map<string, TopicChange>;

export async function ensureKafkaTopics(
  admin: Admin,
  topics: readonly TopicSettings[],
  { dryRun = false, allowReorder = false, replicas: wanted }: EnsureTopicsOptions,
  planned: PlannedChanges = new Map(),
): Promise<TopicChange[]> {
  const { brokers } = await admin.describeCluster();
  const replicas = wanted ?? (brokers.length >= 3 ? 3 : 1);
  if (replicas > brokers.length && !dryRun) {
    const have = `the cluster has ${brokers.length}`;
    throw new TerminalError(`${replicas} copies of each topic need as many brokers: ${have}`);
  }
  const existing = await describe(admin, topics);
  const plans = topics.map((topic) => plan(topic, existing.get(topic.name), replicas));
  const changes = plans.flatMap((one) => one.changes);
  if (dryRun) return changes;
  refuseReorder(changes, allowReorder);
  for (const change of changes) {
    const key = [change.kind, change.topic, change.kind === "set" ? change.setting : ""].join(" ");
    if (!planned.has(key)) planned.set(key, change);
  }
  await create(admin, plans, replicas);
  for (const { topic, grow } of plans) {
    const more = { topic: topic.name, count: topic.partitions };
    if (grow) await admin.createPartitions({ topicPartitions: [more] });
  }
  await repair(admin, plans);
  return [...planned.values()].filter(({ kind }) => kind !== "replicas");
}

interface Plan {
  readonly topic: TopicSettings;
  readonly create: boolean;
  readonly grow: boolean;
  /** All settings made on the topic, when they have to be written again: they replace the old ones. */
  readonly settings: ReadonlyMap<string, string> | undefined;
  readonly wanted: ReadonlyMap<string, string>;
  readonly changes: readonly TopicChange[];
}

function plan(topic: TopicSettings, existing: Existing | undefined, replicas: number): Plan {
  const { name, partitions } = topic;
  if (existing === undefined) {
    const wanted = topicConfig(topic, replicas);
    const created: TopicChange = { kind: "create", topic: name, wanted: String(partitions) };
    return {
      topic,
      create: true,
      grow: false,
      settings: undefined,
      wanted,
      changes: [created],
    };
  }
  // A topic of one copy that demands two would take nothing at all.
  const wanted = topicConfig(topic, Math.min(replicas, existing.replicas));
  const current = (key: string) => existing.settings.get(key)?.value;
  const wrong = [...wanted].filter(([key, value]) => !isSet(key, current(key), value));
  const own = [...existing.settings].filter(([, setting]) => setting.own);
  const kept = own.map(([key, { value }]): [string, string] => [key, value]);
  return {
    topic,
    create: false,
    grow: existing.partitions < partitions,
    settings: wrong.length > 0 ? new Map([...kept, ...wrong]) : undefined,
    wanted,
    changes: [
      ...counted("reorder", name, existing.partitions !== partitions, existing.partitions, topic),
      ...wrong.map(
        ([setting, value]): TopicChange => ({
          kind: "set",
          topic: name,
          setting,
          is: current(setting),
          wanted: value,
        }),
      ),
      ...counted("replicas", name, existing.replicas < replicas, existing.replicas, {
        partitions: replicas,
      }),
    ],
  };
}

function counted(
  kind: "reorder" | "replicas",
  topic: string,
  differs: boolean,
  is: number,
  { partitions: wanted }: { readonly partitions: number },
): TopicChange[] {
  return differs ? [{ kind, topic, is: String(is), wanted: String(wanted) }] : [];
}

/** The size is a floor: an owner may allow more. */
function isSet(key: string, is: string | undefined, wanted: string): boolean {
  return key === "max.message.bytes" ? Number(is) >= Number(wanted) : is === wanted;
}

/** Compaction would lose history: event topics are keyed by escrow, of which each event is needed. */
export function topicConfig(
  { retentionDays, timestamps }: TopicSettings,
  replicas: number,
): ReadonlyMap<string, string> {
  const retention = retentionDays === "forever" ? -1 : retentionDays * dayMs;
  return new Map([
    ["cleanup.policy", "delete"],
    ["retention.ms", String(retention)],
    // By default unlimited, but a broker may say otherwise for all its topics.
    ["retention.bytes", "-1"],
    ["message.timestamp.type", timestamps === "append" ? "LogAppendTime" : "CreateTime"],
    ["max.message.bytes", String(maxBatchBytes)],
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
      {
        partitions: partitions.length,
        replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
        settings: settings.get(name) ?? new Map(),
      },
    ]),
  );
}
