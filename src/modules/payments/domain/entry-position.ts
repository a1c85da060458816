/** Where an entry stands, in time and in the book of a sale: statements and debts go in this order. */
export interface EntryPosition {
  readonly at: Date;
  readonly escrow_no: bigint;
  readonly number: bigint;
  readonly line: number;
}

export function byPosition(a: EntryPosition, b: EntryPosition): number {
  const order = (x: bigint, y: bigint) => Number(x > y) - Number(x < y);
  return (
    a.at.getTime() - b.at.getTime() ||
    order(a.escrow_no, b.escrow_no) ||
    order(a.number, b.number) ||
    Number(a.line) - Number(b.line)
  );
}
