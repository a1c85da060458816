/**
 * Are the topics what the promise needs? Another number of partitions sends a key's messages to two
 * places, a clock of the sender's decides deadlines, a short retention loses history: with such
 * topics a process does not start, and one that started without brokers ends as soon as it sees.
 */
import { SystemicError } from "#platform/errors";
import type { EventLog, TopicChange } from "#platform/messaging/event-log";
import { changeText } from "#platform/messaging/topic-changes";
import type { Worker } from "#platform/module";
import { WorkerLostError } from "#platform/workers/worker-lost-error";
import type { RoleName } from "../config.ts";
import { topicsOf } from "../kafka-rights.ts";
import { topicSettings } from "./topic-settings.ts";

/** Throws SystemicError with what is wrong and the remedy; TransientError when nobody answers. */
export async function checkTopics(log: EventLog, roles: readonly RoleName[]): Promise<void> {
  const used = topicsOf(roles);
  const topics = topicSettings().filter(({ name }) => used.has(name));
  const wrong = (await log.ensureTopics(topics, { dryRun: true })).filter(breaksPromise);
  if (wrong.length === 0) return;
  const [missing, others] = [wrong.filter(isMissing), wrong.filter((one) => !isMissing(one))];
  throw new SystemicError(
    [
      ...(missing.length > 0
        ? [`topics are missing, or may not be seen (${missing.map(name).join(", ")})`]
        : []),
      ...others.map(problemText),
    ].join("; ") + remedy(wrong),
  );
}

/** What a process may not start with; other differences are `app topics --diff`'s to tell. */
export function breaksPromise({ kind, setting = "", is, wanted }: TopicChange): boolean {
  if (kind === "create" || kind === "reorder") return true;
  if (kind === "replicas") return false;
  const atLeast = (least: string) => Number(is) >= 0 && Number(is) < Number(least);
  switch (setting) {
    case "retention.ms":
      return wanted === "-1" ? is !== "-1" : atLeast(wanted);
    case "min.insync.replicas":
    case "max.message.bytes":
      return atLeast(wanted);
    // A reader of events has no use for the broker's time; deadlines have for nobody else's.
    case "message.timestamp.type":
      return wanted === "LogAppendTime";
    default:
      return true;
  }
}

/** The check of a process that started while no broker answered. */
export function createTopicsCheck(log: EventLog, roles: readonly RoleName[]): Worker {
  let checked = false;
  return {
    name: "topics",
    idleMs: 5_000,
    async step() {
      try {
        if (!checked) await checkTopics(log, roles);
        checked = true;
      } catch (error) {
        if (error instanceof SystemicError) throw new WorkerLostError(error.message);
        throw error;
      }
      return "idle";
    },
  };
}

function isMissing({ kind }: TopicChange): boolean {
  return kind === "create";
}

function name({ topic }: TopicChange): string {
  return topic;
}

export function problemText(change: TopicChange): string {
  const { kind, topic, setting, is, wanted } = change;
  if (kind === "reorder") return `${topic} has ${is} partitions, not ${wanted}`;
  if (kind === "set") return `${topic} has ${setting}=${is}, not ${wanted}`;
  return changeText(change);
}

function remedy(wrong: readonly TopicChange[]): string {
  return wrong.some(({ kind }) => kind === "reorder")
    ? ": the order of keys rests on the number of partitions; docs/kafka.md says what can be done"
    : ": run `app topics`";
}
