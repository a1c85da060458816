/**
 * The classes of failure the platform tells apart. Everything that is not terminal is tried
 * again: a hiccup must never park a message, a bug must never stop its neighbours.
 */

/** Trying again may help: connection, time-out, lock, serialization, broker. */
export class TransientError extends Error {
  override readonly name: string = "TransientError";
}

/** Nothing of it has left, so that nothing of it can have been accepted. */
export class NotSentError extends TransientError {
  override readonly name = "NotSentError";
  /** Before that it would not leave either. */
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs = 1_000) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Trying again cannot help: undecodable, invalid, a broken invariant. The message is parked. */
export class TerminalError extends Error {
  override readonly name: string = "TerminalError";
}

/**
 * A numbered message came before the one it follows. Parked like any other; but what is missing may
 * come later, behind it, and is let through first.
 */
export class GapError extends TerminalError {
  override readonly name = "GapError";
}

/** The program may not go on at all: wrong cluster, missing table, newer schema. Stops its worker. */
export class SystemicError extends Error {
  override readonly name = "SystemicError";
}

/** HOST or PORT is well formed, and nobody can listen there. */
export class AddressError extends Error {
  override readonly name = "AddressError";
  constructor(setting: "HOST" | "PORT", value: string, expected: string) {
    super(`${setting}: "${value}"; expected ${expected}`);
  }
}
