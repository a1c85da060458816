/**
 * The failures of the log that a writer must tell apart from "outcome unknown" (TransientError).
 * After any of them the producer that threw is used up: its caller closes it and makes a new one.
 */

/**
 * The log refuses these records for their size or form, and none of their partition was written.
 * The same records are refused again; the refused one is found by sending halves.
 */
export class RecordRefusedError extends Error {
  override readonly name = "RecordRefusedError";
}

/** The topic does not exist or may not be written: it waits alone, the other topics go on. */
export class TopicUnavailableError extends Error {
  override readonly name = "TopicUnavailableError";
  readonly topic: string;
  constructor(topic: string, message: string, options?: ErrorOptions) {
    super(`topic ${topic}: ${message}`, options);
    this.topic = topic;
  }
}
