/**
 * Can Kafka be used by these roles? Each broker by itself, then the topics and their settings, what
 * the user may do by trying it, how far each group is behind, and the brokers' clock.
 */
import { randomUUID } from "node:crypto";
import type { EventLog, GroupLag } from "#platform/messaging/event-log";
import { within } from "#platform/messaging/kafka/errors";
import { type Probed, probeBroker } from "#platform/messaging/kafka/trouble";
import { releaseOf } from "#platform/messaging/kafka/versions";
import { createSingleProducer } from "#platform/messaging/publishing/single-producer";
import { silentLogger } from "#platform/telemetry/logger";
import type { Config } from "../config.ts";
import { probeTopic, rightsOf } from "../kafka-rights.ts";
import { kafkaConnection } from "../settings/kafka.ts";
import { topicFaults, topicsUsed } from "../topic-faults.ts";
import { examineClock } from "./examine-database.ts";
import { doubt, type Finding, ill, textOf, unreachable, well } from "./finding.ts";
import { unable } from "./unable.ts";

const manyBehind = 10_000n;
/** Whoever is there takes what comes within seconds. */
const waitsLongMs = 60_000;
/** A dependency that hangs must not hang the doctor. */
const examinedWithinMs = 30_000;

export async function examineKafka(config: Config, log: EventLog): Promise<Finding[]> {
  const brokers = await examineBrokers(config);
  if (brokers.every(({ verdict }) => verdict === "fail")) return brokers;
  const usable = brokers.map((one) =>
    one.verdict === "fail" ? { ...one, verdict: "warn" as const, unreachable: false } : one,
  );
  const topics = await guarded("topics", () => examineTopics(config, log));
  // Without its topics nothing more can be tried.
  if (topics.some(({ verdict }) => verdict === "fail")) return [...usable, ...topics];
  return [
    ...usable,
    ...topics,
    ...(await guarded("rights", () => examineRights(config, log))),
    ...(await guarded("lag", () => examineLag(config, log, new Date()))),
    ...(await guarded("clock", async () => [await brokerClock(log)])),
  ];
}

async function guarded(
  area: Finding["area"],
  examine: () => Promise<Finding[]>,
): Promise<Finding[]> {
  try {
    return await within(examinedWithinMs, `looking at ${area}`, examine());
  } catch (error) {
    return [ill(area, textOf(error), "see the lines above, and the rights in docs/kafka.md")];
  }
}

async function examineBrokers(config: Config): Promise<Finding[]> {
  const options = { ...kafkaConnection(config), logger: silentLogger };
  return Promise.all(
    options.brokers.map(async (broker) =>
      brokerFinding(broker, await probeBroker(options, broker)),
    ),
  );
}

function brokerFinding(broker: string, probed: Probed): Finding {
  if ("trouble" in probed) {
    const { text, remedy } = probed.trouble;
    return unreachable("kafka", `${broker}: ${text}`, remedy);
  }
  const release = releaseOf(probed.versions);
  if (release !== undefined) return well("kafka", `${broker}: Kafka ${release}`);
  return doubt("kafka", `${broker}: an old Kafka, not tried with this program`, "use 3.5 or newer");
}

async function examineTopics({ APP_ROLE, APP_ENV }: Config, log: EventLog): Promise<Finding[]> {
  const replicas = APP_ENV === "production" ? 3 : undefined;
  const faults = await topicFaults(log, APP_ROLE, { replicas });
  if (faults.length === 0) {
    return [well("topics", `${topicsUsed(APP_ROLE).length} topics as they should be`)];
  }
  return faults.map(({ breaks, text, remedy }) =>
    breaks ? ill("topics", text, remedy) : doubt("topics", text, remedy),
  );
}

/** What can be tried without leaving a trace in anyone's topic. */
async function examineRights({ APP_ROLE }: Config, log: EventLog): Promise<Finding[]> {
  const tried = async (what: string, attempt: () => Promise<unknown>): Promise<Finding[]> => {
    try {
      await attempt();
      return [];
    } catch (error) {
      return [unable(what, error)];
    }
  };
  const rights = APP_ROLE.map(rightsOf);
  const reads = [...new Set(rights.flatMap((one) => one.reads))];
  const all = await tried(`write ${probeTopic}`, () => writeProbe(log));
  // One after the other: they share a connection.
  for (const topic of reads)
    all.push(...(await tried(`read ${topic}`, () => log.read(topic, 0, 0n, 1))));
  return all.length > 0 ? all : [well("rights", `writes, and reads ${reads.length} topics`)];
}

async function writeProbe(log: EventLog): Promise<Date> {
  const producer = createSingleProducer(log);
  try {
    const value = new TextEncoder().encode(randomUUID());
    const [appended] = await producer.send([{ topic: probeTopic, key: "", value, headers: {} }]);
    if (appended === undefined) throw new Error("a message was not confirmed");
    return appended.appendedAt;
  } finally {
    await producer.close();
  }
}

/** `now` is real time: a broker's stamp is compared with it. */
export async function examineLag(
  { APP_ROLE }: Pick<Config, "APP_ROLE">,
  log: Pick<EventLog, "lag" | "read">,
  now: Date,
): Promise<Finding[]> {
  const groups = [...new Set(APP_ROLE.flatMap((role) => rightsOf(role).groups))];
  const lag = Map.groupBy(await log.lag(groups), ({ group }) => group);
  const findings = groups.map(async (group) => {
    const parts = lag.get(group);
    if (parts === undefined) return well("lag", `${group} has read nothing yet`);
    const behind = parts.reduce((sum, { position, end }) => sum + (end - position), 0n);
    const text = `${group} is ${behind} ${behind === 1n ? "message" : "messages"} behind`;
    const waits = await longestWait(parts, log, now);
    if (waits > waitsLongMs) {
      const seconds = Math.floor(waits / 1_000);
      const role = group.slice(0, group.indexOf("."));
      return doubt(
        "lag",
        `${text}, the oldest for ${seconds} s`,
        `start a process of the role ${role}, or see why those there are take nothing (docs/operations.md#consumerstalled)`,
      );
    }
    if (behind <= manyBehind) return well("lag", text);
    return doubt("lag", text, "start more processes of its role, or look at its dead letters");
  });
  return Promise.all(findings);
}

/** Milliseconds for which the oldest message that was not taken has been there; 0 where none waits. */
async function longestWait(
  parts: readonly GroupLag[],
  log: Pick<EventLog, "read">,
  now: Date,
): Promise<number> {
  let longest = 0;
  for (const { topic, partition, position, end } of parts) {
    if (position >= end) continue;
    const [first] = await log.read(topic, partition, position, 1);
    if (first) longest = Math.max(longest, now.getTime() - first.appendedAt.getTime());
  }
  return longest;
}

/** Stamped by the broker: the topic says so, and the line about topics complains when it does not. */
function brokerClock(log: EventLog): Promise<Finding> {
  return examineClock("the brokers", () => writeProbe(log));
}
