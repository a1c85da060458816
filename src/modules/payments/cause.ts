/** Why a message came to be: what it is traced by, and what came right before it. */
export interface Cause {
  readonly correlationId: string;
  /** The command, webhook or operation that caused it. */
  readonly causationId: string;
}
