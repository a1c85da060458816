/** Why a message came to be: what it is traced by, and what came right before it. */
export interface Cause {
  readonly correlationId: string;
  /** The command, webhook or operation that caused it. */
  readonly causationId: string;
  /** The trace it belongs to, as a W3C context; nothing is decided by it. */
  readonly traceparent?: string | undefined;
}
