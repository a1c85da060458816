/**
 * Are the topics what the promise needs? Asked by a start, and by the doctor. Another number of partitions sends a key's messages to two
 * places, a clock of the sender's decides deadlines, a short retention loses history: with such
 * topics a process does not start, and one that started without brokers ends as soon as it sees.
 */
import { SystemicError } from "#platform/errors";
import type { EventLog, TopicChange, TopicSettings } from "#platform/messaging/event-log";
import { changeText } from "#platform/messaging/topic-changes";
import type { Worker } from "#platform/module";
import { WorkerLostError } from "#platform/workers/worker-lost-error";
import type { RoleName } from "./config.ts";
import { topicsOf } from "./kafka-rights.ts";
import { topicSettings } from "./topic-settings.ts";

export interface TopicFault {
  readonly topic: string;
  readonly missing: boolean;
  /** A process does not start with it; else it is `app topics --diff`'s to tell. */
  readonly breaks: boolean;
  readonly text: string;
  readonly remedy: string;
}

/** What these roles' topics are not and should be. Throws TransientError when nobody answers. */
export async function topicFaults(
  log: EventLog,
  roles: readonly RoleName[],
  { replicas }: { readonly replicas?: number | undefined } = {},
): Promise<readonly TopicFault[]> {
  const changes = await log.ensureTopics(topicsUsed(roles), { dryRun: true, replicas });
  return changes.map((change) => ({
    topic: change.topic,
    missing: change.kind === "create",
    breaks: breaksPromise(change),
    text: textOf(change),
    remedy: remedyOf(change),
  }));
}

/** The topics a process with these roles has to do with, as they should be. */
export function topicsUsed(roles: readonly RoleName[]): readonly TopicSettings[] {
  const used = topicsOf(roles);
  return topicSettings().filter(({ name }) => used.has(name));
}

/** Throws SystemicError with what is wrong and the remedy; TransientError when nobody answers. */
export async function checkTopics(log: EventLog, roles: readonly RoleName[]): Promise<void> {
  const wrong = (await topicFaults(log, roles)).filter(({ breaks }) => breaks);
  if (wrong.length === 0) return;
  const missing = wrong.filter((fault) => fault.missing).map(({ topic }) => topic);
  const texts = [
    ...(missing.length > 0
      ? [`topics are missing, or may not be seen (${missing.join(", ")})`]
      : []),
    ...wrong.filter((fault) => !fault.missing).map(({ text }) => text),
  ];
  const remedies = [...new Set(wrong.map(({ remedy }) => remedy))];
  throw new SystemicError(`${texts.join("; ")}: ${remedies.join("; ")}`);
}

/** Other differences are a matter of taste, or of how much one can lose. */
function breaksPromise({ kind, setting = "", is, wanted }: TopicChange): boolean {
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

function textOf(change: TopicChange): string {
  const { kind, topic, setting, is, wanted } = change;
  if (kind === "create") return `${topic} is missing, or may not be seen`;
  if (kind === "reorder") return `${topic} has ${is} partitions, not ${wanted}`;
  if (kind === "set") return `${topic} has ${setting}=${is}, not ${wanted}`;
  return changeText(change);
}

function remedyOf({ kind }: TopicChange): string {
  return kind === "reorder"
    ? "the order of keys rests on the number of partitions; docs/kafka.md says what can be done"
    : "run `app topics`";
}
