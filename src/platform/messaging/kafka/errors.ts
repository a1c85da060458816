/** Tells what a failure of the Kafka client means, by the broker's error code and never by its text. */
import { TransientError } from "../../errors.ts";
import { RecordRefusedError, TopicUnavailableError } from "../event-log.ts";

const refused = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_RECORD",
  "INVALID_TIMESTAMP",
]);
const forbidden = "TOPIC_AUTHORIZATION_FAILED";
const unavailable = new Set(["UNKNOWN_TOPIC_OR_PARTITION", "INVALID_TOPIC_EXCEPTION", forbidden]);

/** The broker's error code behind a chain of wrappers, as kafkajs names it. */
export function protocolError(error: unknown): string | undefined {
  for (const one of wrapped(error)) {
    const type: unknown = "type" in one ? one.type : undefined;
    if (typeof type === "string") return type;
  }
  return undefined;
}

/** Whether it is one, or one is behind its chain of wrappers. */
export function causedBy(error: unknown, kind: abstract new (...given: never[]) => Error): boolean {
  return [...wrapped(error)].some((one) => one instanceof kind);
}

function* wrapped(error: unknown): Generator<Error> {
  let current = error;
  for (let depth = 0; depth < 6 && current instanceof Error; depth += 1) {
    yield current;
    current = current.cause;
  }
}

export function explainSend(error: unknown, topic: string): Error {
  const type = protocolError(error) ?? "";
  if (refused.has(type)) {
    return new RecordRefusedError(topic, `a record of ${topic} is refused: ${type}`, {
      cause: error,
    });
  }
  return explain(error, topic);
}

export function explain(error: unknown, topic: string): Error {
  const type = protocolError(error) ?? "";
  if (unavailable.has(type)) {
    const why = type === forbidden ? `this user has no right to (${type})` : type;
    return new TopicUnavailableError(topic, `topic ${topic} cannot be used: ${why}`, {
      cause: error,
    });
  }
  if (error instanceof TransientError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new TransientError(`Kafka: ${text}`, { cause: error });
}

/** For a call that is about no single topic: it may be mended while this process runs. */
export function explainCall(error: unknown, doing: string): Error {
  if (error instanceof TransientError) return error;
  const type = protocolError(error) ?? "";
  const text = error instanceof Error ? error.message : String(error);
  const why = type.endsWith("AUTHORIZATION_FAILED") ? `this user has no right to (${type})` : text;
  return new TransientError(`Kafka: ${doing}: ${why}`, { cause: error });
}

/** Rejects with a TransientError when `work` is not settled in time; `work` itself goes on. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TransientError(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
