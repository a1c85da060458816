/** Whose debt was made, repaid and forgiven: once for what is decided of it, and for what is shown. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sum } from "#kernel/money";
import { debtMovesOf } from "../statements/debt-moves.ts";
import { attributeDebts, type DebtPart, writeOffReference, writtenOffOf } from "./debt-book.ts";

type Line = readonly [at: number, sale: bigint, reason: string, reference: string, amount: bigint];

function entriesOf(lines: readonly Line[]) {
  return lines.map(([at, sale, reason, reference, amount], index) => ({
    at: new Date(at),
    escrow_no: sale,
    escrow_id: `e${sale}`,
    number: BigInt(index),
    line: 1,
    reason,
    reference,
    currency: "USD",
    amount,
  }));
}

const owes = "chargeback_taken";
const nets = "release_accepted";
const forgives = "debt_written_off";

describe("G7: what is decided and what is shown are of the same debts", () => {
  /** Forgiven of dp_1 and of dp_2; of which sale, for which, how much. */
  const table: [string, Line[], [bigint, bigint], (readonly [bigint, bigint, bigint])[]][] = [
    [
      "what was repaid is not forgiven",
      [
        [1, 1n, owes, "dp_1", 500n],
        [2, 3n, nets, "rel_3", -500n],
        [3, 2n, owes, "dp_2", 300n],
        [4, 1n, forgives, "op_4", -300n],
      ],
      [0n, 300n],
      [
        [3n, 1n, 500n],
        [1n, 2n, 300n],
      ],
    ],
    [
      "nor where the repayment bears the earlier time",
      [
        [1, 3n, nets, "rel_3", -500n],
        [2, 1n, owes, "dp_1", 500n],
        [3, 2n, owes, "dp_2", 300n],
        [4, 1n, forgives, "op_4", -300n],
      ],
      [0n, 300n],
      [
        [3n, 1n, 500n],
        [1n, 2n, 300n],
      ],
    ],
    [
      "what a release that is undone had repaid is owed again where it was owed",
      [
        [1, 1n, owes, "dp_1", 500n],
        [2, 3n, nets, "rel_3", -500n],
        [3, 2n, owes, "dp_2", 300n],
        [4, 3n, "release_undone", "rel_3", 500n],
        [5, 2n, forgives, "op_5", -800n],
      ],
      [500n, 300n],
      [
        [3n, 1n, 500n],
        [3n, 1n, -500n],
        [2n, 1n, 500n],
      ],
    ],
    [
      "a debt that was settled is not the oldest when it is owed again",
      [
        [1, 1n, owes, "dp_1", 100n],
        [2, 3n, nets, "rel_3", -100n],
        [3, 2n, owes, "dp_2", 50n],
        [4, 1n, owes, "dp_1", 60n],
        [5, 3n, forgives, "op_5", -60n],
      ],
      [10n, 50n],
      [
        [3n, 1n, 100n],
        [3n, 2n, 50n],
        [3n, 1n, 10n],
      ],
    ],
    [
      "what is taken back of a sale repays that sale's debt, an older one after it",
      [
        [1, 1n, owes, "dp_1", 500n],
        [2, 2n, owes, "dp_2", 300n],
        [3, 2n, "transfer_reversed", "op_3", -400n],
        [4, 1n, forgives, "op_4", -400n],
      ],
      [400n, 0n],
      [[2n, 1n, 100n]],
    ],
    [
      "of a sale's disputes what the bank gives back is of the one it decided",
      [
        [1, 1n, owes, "dp_1", 500n],
        [2, 1n, owes, "dp_2", 300n],
        [3, 1n, "chargeback_reinstated", "dp_2", -300n],
        [4, 1n, forgives, "op_4", -500n],
      ],
      [500n, 0n],
      [],
    ],
    [
      "two disputes of another sale are one move",
      [
        [1, 1n, owes, "dp_1", 500n],
        [2, 1n, owes, "dp_2", 300n],
        [3, 3n, nets, "rel_3", -800n],
      ],
      [0n, 0n],
      [[3n, 1n, 800n]],
    ],
    [
      "what was forgiven and is owed after all is forgiven no more",
      [
        [1, 1n, owes, "dp_1", 500n],
        [2, 2n, owes, "dp_2", 300n],
        [3, 1n, forgives, "op_3", -700n],
        [4, 1n, "write_off_undone", writeOffReference("dp_1"), 400n],
        [5, 1n, "chargeback_reinstated", "dp_1", -400n],
      ],
      [100n, 200n],
      [[1n, 2n, 200n]],
    ],
  ];

  test.each(table)("%s", (_title, lines, forgiven, moved) => {
    const entries = entriesOf(lines);
    expect([writtenOffOf("dp_1", entries), writtenOffOf("dp_2", entries)]).toEqual(forgiven);
    const moves = debtMovesOf(entries).map((move) => [move.of, move.for, move.amount] as const);
    expect(moves).toEqual(moved);
  });
});

const stepOf = fc.record({
  kind: fc.constantFrom("owes", "owes", "nets", "nets", "undone", "reversed", "forgiven", "won"),
  sale: fc.bigInt(1n, 3n),
  dispute: fc.integer({ min: 1, max: 2 }),
  amount: fc.bigInt(1n, 500n),
  /** By how much it bears another time than its place says. */
  late: fc.integer({ min: 0, max: 40 }),
});
type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never;

/** What one seller's account can have seen: never repaid, forgiven or given back what is not owed. */
function storyOf(steps: readonly Step[], timely: boolean) {
  const lines: Line[] = [];
  const netted: (readonly [bigint, string, bigint])[] = [];
  let owed = 0n;
  for (const [i, { kind, sale, dispute, amount, late }] of steps.entries()) {
    const put = (no: bigint, reason: string, reference: string, signed: bigint) => {
      if (signed === 0n) return;
      owed += signed;
      lines.push([i * 10 + (timely ? 0 : late), no, reason, reference, signed]);
    };
    const some = amount < owed ? amount : owed;
    const disputeId = `dp_${sale}_${dispute}`;
    switch (kind) {
      case "owes":
        put(sale, owes, disputeId, amount);
        break;
      case "nets":
        netted.push([sale, `op_${i}`, some]);
        put(sale, nets, `op_${i}`, -some);
        break;
      case "undone": {
        const [of = sale, reference = "", again = 0n] = netted.pop() ?? [];
        put(of, "release_undone", reference, again);
        break;
      }
      case "reversed":
        put(sale, "transfer_reversed", `op_${i}`, -some);
        break;
      case "forgiven":
        put(sale, forgives, `op_${i}`, -some);
        break;
      default: {
        const forgiven = writtenOffOf(disputeId, entriesOf(lines));
        put(sale, "write_off_undone", writeOffReference(disputeId), forgiven);
        put(sale, "chargeback_reinstated", disputeId, forgiven === 0n ? -some : -forgiven);
      }
    }
  }
  return entriesOf(lines);
}

/** What became of each dispute's debt; nothing of it is ever less than nothing. */
function tallied(parts: readonly DebtPart[]) {
  const tallies = new Map<
    string,
    { owed: bigint; repaid: bigint; forgiven: bigint; open: bigint }
  >();
  for (const { entry, disputeId, amount, forgiven } of parts) {
    const tally = tallies.get(disputeId) ?? { owed: 0n, repaid: 0n, forgiven: 0n, open: 0n };
    const paid = amount + forgiven;
    const again = entry.reason === "release_undone" && disputeId !== entry.reference;
    if (paid > 0n && !again) tally.owed += paid;
    else tally.repaid -= paid;
    tally.forgiven += forgiven;
    tally.open += amount;
    tallies.set(disputeId, tally);
    expect(Object.values(tally).filter((each) => each < 0n)).toEqual([]);
    expect(tally.forgiven + tally.repaid + tally.open).toBe(tally.owed);
  }
  return tallies;
}

const stories = [fc.array(stepOf, { maxLength: 30, size: "max" }), fc.boolean()] as const;
const amountOf = ({ amount }: { readonly amount: bigint }) => amount;

test("G7: of whatever story no dispute is repaid or forgiven more than was owed, and nothing is left over", () => {
  fc.assert(
    fc.property(...stories, (steps, timely) => {
      const entries = storyOf(steps, timely);
      const parts = attributeDebts(entries);
      for (const entry of entries) {
        const ofIt = parts.filter((part) => part.entry === entry);
        expect(sum(ofIt.map(amountOf))).toBe(entry.amount);
      }
      const tallies = tallied(parts);
      const all = [...tallies.values()];
      expect(sum(all.map(({ open }) => open))).toBe(sum(entries.map(amountOf)));
      if (!timely) return;
      for (const [disputeId, { owed, forgiven }] of tallies) {
        const taken = entries.filter((e) => e.reason === owes && e.reference === disputeId);
        expect(owed).toBe(sum(taken.map(amountOf)));
        expect(writtenOffOf(disputeId, entries)).toBe(forgiven);
      }
      const off = entries.filter(
        ({ reason }) => reason.includes("write_off") || reason === forgives,
      );
      expect(sum(all.map(({ forgiven }) => forgiven))).toBe(-sum(off.map(amountOf)));
    }),
  );
});

test("G7: in whatever order a seller's entries are handed in, the same debts were repaid and forgiven", () => {
  fc.assert(
    fc.property(...stories, fc.array(fc.integer(), { minLength: 60 }), (steps, timely, ranks) => {
      const entries = storyOf(steps, timely);
      const dealt = entries
        .map((entry, i) => ({ entry, rank: ranks[i] ?? 0 }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ entry }) => entry);
      expect(attributeDebts(dealt)).toEqual(attributeDebts(entries));
      expect(debtMovesOf(dealt)).toEqual(debtMovesOf(entries));
    }),
  );
});
