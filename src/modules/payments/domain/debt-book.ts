/**
 * Whose debt each entry made, repaid or forgave. A seller's debt is one account over all his sales, so
 * the ledger cannot say. What is repaid or forgiven falls on the dispute the entry names, then on its
 * sale's other disputes, then on other sales: first the one that has owed longest, with all of it. Pure;
 * the only place that says so: what is decided of a dispute that is won and what statements show are
 * both read off these parts. An entry's parts add up to it, but for what nobody owed.
 */
import { min, sum, takeInOrder } from "#kernel/money";
import { byPosition, type EntryPosition } from "./entry-position.ts";

/** An entry on the account of a seller's debt, as it is stored. */
export interface DebtEntry extends EntryPosition {
  readonly reason: string;
  /** The operation, dispute or write-off it explains. */
  readonly reference: string;
  readonly currency: string;
  /** Signed: a debit is more debt. */
  readonly amount: bigint;
}

/** Whose debt: of a sale, and there of a dispute. */
interface Debt {
  readonly sale: bigint;
  readonly disputeId: string;
}

/** What of an entry is one dispute's. Minor units. */
export interface DebtPart<E extends DebtEntry = DebtEntry> extends Debt {
  readonly entry: E;
  /** Signed as the entry's: more debt, or less. */
  readonly amount: bigint;
  /** Of the dispute's debt; negative: it is owed after all. */
  readonly forgiven: bigint;
}

/** Of one seller, in whatever order they are given. */
export function attributeDebts<E extends DebtEntry>(entries: readonly E[]): readonly DebtPart<E>[] {
  const inTime = entries.toSorted(byPosition);
  return [...Map.groupBy(inTime, ({ currency }) => currency).values()].flatMap((ofOne) => {
    const owed: Owed = new Map();
    const parts: DebtPart<E>[] = [];
    for (const entry of asItWas(ofOne)) {
      const next = entry.amount > 0n ? owes(parts, entry) : repays(owed, entry);
      for (const part of next) add(owed, part);
      parts.push(...next);
    }
    return parts;
  });
}

/** What of a dispute was forgiven: he never paid it, so it is not his when the bank gives it back. */
export function writtenOffOf(disputeId: string, entries: readonly DebtEntry[]): bigint {
  const ofIt = attributeDebts(entries).filter((part) => part.disputeId === disputeId);
  return sum(ofIt.map(({ forgiven }) => forgiven));
}

export function writeOffReference(disputeId: string): string {
  return `writeoff_${disputeId}`;
}

/**
 * Nobody repays what nobody owes. Times are taken before the rows are locked, so a repayment can
 * bear an earlier one than the debt it found: it comes once there is so much debt.
 */
function asItWas<E extends DebtEntry>(entries: readonly E[]): readonly E[] {
  const ordered: E[] = [];
  let early: E[] = [];
  let owed = 0n;
  for (const entry of entries) {
    const waiting = [...early, entry];
    early = [];
    for (const one of waiting) {
      if (owed + one.amount < 0n) early.push(one);
      else {
        owed += one.amount;
        ordered.push(one);
      }
    }
  }
  return [...ordered, ...early];
}

/** What sales owe, and of each its disputes, never 0; both in the order in which they began to owe. */
type Owed = Map<bigint, Map<string, bigint>>;

function owes<E extends DebtEntry>(before: readonly DebtPart<E>[], entry: E): DebtPart<E>[] {
  const { escrow_no: sale, reason, reference, amount } = entry;
  if (reason === "release_undone") return owesAgain(before, entry);
  if (reason !== "write_off_undone") {
    return [{ entry, sale, disputeId: reference, amount, forgiven: 0n }];
  }
  const ofSale = before.filter((part) => part.sale === sale);
  const ofIt = ofSale.filter((part) => writeOffReference(part.disputeId) === reference);
  const forgiven = -min(amount, sum(ofIt.map((part) => part.forgiven)));
  return [{ entry, sale, disputeId: ofIt[0]?.disputeId ?? reference, amount, forgiven }];
}

/**
 * A release that was undone: what it had repaid is owed again, where it was owed. A debt that was
 * settled meanwhile counts as made now, the newest, and others' before the sale's own: which of them
 * is repaid first is a rule only, and what was shown before stays as it was.
 */
function owesAgain<E extends DebtEntry>(before: readonly DebtPart<E>[], entry: E): DebtPart<E>[] {
  const { escrow_no: own, reference } = entry;
  const its = before.filter(
    (part) => part.entry.escrow_no === own && part.entry.reference === reference,
  );
  const debts = [...Map.groupBy(its, ({ sale, disputeId }) => `${sale} ${disputeId}`).values()];
  const { parts, rest } = takeInOrder(
    entry.amount,
    debts.map((ofOne) => -sum(ofOne.map(({ amount }) => amount))),
  );
  const again = debts.flatMap(([debt], i) => (debt ? [partOf(entry, debt, parts[i])] : []));
  const othersFirst = again.toSorted((a, b) => Number(a.sale === own) - Number(b.sale === own));
  const unknown = partOf(entry, { sale: own, disputeId: reference }, rest);
  return [...othersFirst, unknown].filter(({ amount }) => amount !== 0n);
}

function repays<E extends DebtEntry>(owed: Owed, entry: E): DebtPart<E>[] {
  const debts = [...owed]
    .flatMap(([sale, ofSale]) => {
      return Array.from(ofSale, ([disputeId, open]) => ({ sale, disputeId, open }));
    })
    .toSorted((a, b) => distance(a, entry) - distance(b, entry));
  const { parts } = takeInOrder(
    -entry.amount,
    debts.map(({ open }) => open),
  );
  return debts
    .map((debt, i) => partOf(entry, debt, -(parts[i] ?? 0n)))
    .filter(({ amount }) => amount !== 0n);
}

/** 0: the debt that the entry names; 1: another of its sale; 2: another sale's. */
function distance({ sale, disputeId }: Debt, { escrow_no, reference }: DebtEntry): number {
  if (sale !== escrow_no) return 2;
  return disputeId === reference ? 0 : 1;
}

function partOf<E extends DebtEntry>(
  entry: E,
  { sale, disputeId }: Debt,
  amount = 0n,
): DebtPart<E> {
  const forgiven = entry.reason === "debt_written_off" ? -amount : 0n;
  return { entry, sale, disputeId, amount, forgiven };
}

function add(owed: Owed, { sale, disputeId, amount }: DebtPart): void {
  const ofSale = owed.get(sale) ?? new Map<string, bigint>();
  const open = (ofSale.get(disputeId) ?? 0n) + amount;
  // A settled debt has no place: what is owed of it later is newer than what others owe by then.
  if (open === 0n) ofSale.delete(disputeId);
  else ofSale.set(disputeId, open);
  if (ofSale.size === 0) owed.delete(sale);
  else owed.set(sale, ofSale);
}
