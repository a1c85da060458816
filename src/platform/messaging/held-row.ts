/** A row of an outbox that the log refused: it keeps back its key, and only that, at its old position. */
export interface HeldRow {
  readonly pos: bigint;
  readonly topic: string;
  readonly key: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly bytes: number;
  readonly error: string;
  readonly heldAt: Date;
  /** How many later messages of the key wait behind it. */
  readonly behind: number;
}
