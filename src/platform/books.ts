/**
 * One escrow's funds as one module counts them: what two modules hand out to be compared, since
 * neither may read the other's tables.
 */
export interface Book {
  readonly escrowId: string;
  /** The number of the last payments event this book has in it. */
  readonly paymentsVersion: bigint;
  /** funded, pending, held, reserved, released, refunded, fees, charged back, blocked; minor units. */
  readonly funds: readonly bigint[];
  readonly updatedAt: Date;
}

export interface BookRow {
  readonly id: string;
  readonly seen: bigint;
  readonly funded: bigint;
  readonly pending: bigint;
  readonly held: bigint;
  readonly reserved: bigint;
  readonly released: bigint;
  readonly refunded: bigint;
  readonly fees: bigint;
  readonly charged_back: bigint;
  readonly blocked: bigint;
  readonly updated_at: Date;
}

export function bookOf(row: BookRow): Book {
  const { funded, pending, held, reserved, released, refunded, fees, charged_back, blocked } = row;
  return {
    escrowId: row.id,
    paymentsVersion: row.seen,
    funds: [funded, pending, held, reserved, released, refunded, fees, charged_back, blocked],
    updatedAt: row.updated_at,
  };
}
