/**
 * Replaces "the connection failed" by why it failed and what to do. It asks the brokers at most
 * every few seconds, however many calls fail, and keeps the last answer for whoever cannot wait.
 */
import { TransientError } from "../../errors.ts";
import { protocolError } from "./errors.ts";
import type { KafkaObserver } from "./sockets.ts";
import { findTrouble, type KafkaTrouble, type ProbeOptions, troubleText } from "./trouble.ts";

export interface KafkaDiagnosis {
  /** The same error, or one that says what is wrong with the connection. */
  explain(error: unknown): Promise<unknown>;
  worked(): void;
  /** What was wrong when last looked, while nothing has worked since. */
  known(): TransientError | undefined;
}

const freshMs = 3_000;
/** Met behind a connection that stands; the sockets have not counted them. */
const refusals = ["credentials", "sasl-required", "sasl-mechanism", "no-sasl"];

export function createKafkaDiagnosis(
  options: ProbeOptions & { readonly observer?: KafkaObserver | undefined },
): KafkaDiagnosis {
  let last: TransientError | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  const conclude = (trouble: KafkaTrouble | undefined): void => {
    lookedAt = performance.now();
    last = trouble && new TransientError(`Kafka: ${troubleText(trouble)}`);
    if (trouble && refusals.includes(trouble.kind))
      options.observer?.connectionFailed(trouble.kind);
  };
  const look = (): Promise<void> => {
    looking ??= findTrouble(options)
      .then(conclude)
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  return {
    async explain(error) {
      if (!isOfConnection(error)) return error;
      if (performance.now() - lookedAt > freshMs) await look();
      return last === undefined ? error : new TransientError(last.message, { cause: error });
    },
    worked() {
      last = undefined;
      lookedAt = Number.NEGATIVE_INFINITY;
    },
    known: () => last,
  };
}

/** What a broker answered with a code of its own has nothing to do with reaching it. */
function isOfConnection(error: unknown): boolean {
  if (!(error instanceof TransientError)) return false;
  const type = protocolError(error);
  return type === undefined || type.includes("SASL");
}
