/**
 * What became of a seller's debts, one dispute's apart from another's. Pure. Repayments and write-offs
 * fall on the oldest debt first; what of a dispute was forgiven is nothing he ever paid, so it is not
 * his when the bank gives the money back.
 */
import { max, min } from "#kernel/money";

/** An entry on the account of a seller's debt, in the order of time. */
export interface DebtLine {
  readonly reason: string;
  /** The operation, dispute or write-off it explains. */
  readonly reference: string;
  /** Signed: a debit is more debt. */
  readonly amount: bigint;
}

interface DebtOfDispute {
  outstanding: bigint;
  writtenOff: bigint;
}

export function writtenOffOf(disputeId: string, lines: readonly DebtLine[]): bigint {
  const debts = new Map<string, DebtOfDispute>();
  for (const line of lines) {
    if (line.amount > 0n) raise(debts, line);
    else lower(debts, line);
  }
  return debts.get(disputeId)?.writtenOff ?? 0n;
}

export function writeOffReference(disputeId: string): string {
  return `writeoff_${disputeId}`;
}

function raise(debts: Map<string, DebtOfDispute>, { reason, reference, amount }: DebtLine): void {
  if (reason === "write_off_undone") {
    const found = [...debts].find(([disputeId]) => writeOffReference(disputeId) === reference);
    if (found === undefined) return;
    found[1].writtenOff = max(found[1].writtenOff - amount, 0n);
    found[1].outstanding += amount;
    return;
  }
  // A netting that was undone: the debt it had repaid is owed again, whichever it was.
  const last = [...debts.keys()].at(-1) ?? reference;
  const disputeId = reason === "release_undone" ? last : reference;
  const debt = debts.get(disputeId) ?? { outstanding: 0n, writtenOff: 0n };
  debts.set(disputeId, { ...debt, outstanding: debt.outstanding + amount });
}

function lower(debts: Map<string, DebtOfDispute>, { reason, reference, amount }: DebtLine): void {
  let left = -amount;
  const own = debts.get(reference);
  const oldestFirst = [...debts.values()];
  for (const debt of own === undefined ? oldestFirst : [own, ...oldestFirst]) {
    const part = min(left, debt.outstanding);
    debt.outstanding -= part;
    if (reason === "debt_written_off") debt.writtenOff += part;
    left -= part;
  }
}
