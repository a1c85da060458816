/** The ledger's own words, for operators and accountants: debits positive, every account. */
import type { Statement } from "./statement.ts";
import { balancesAt, type Holder, linesOf } from "./statements.ts";

export function ledgerStatement(holder: Holder): Statement {
  return {
    about: {},
    columns: [
      ...["at", "transactionId", "escrowId", "account", "reason", "reference", "currency"],
      "amount",
    ],
    balanceColumn: { amount: "balance" },
    balances: async (db, at) =>
      (await balancesAt(db, holder, at)).map(({ account, currency, balance }) => {
        return { account, currency, balance: balance.toString() };
      }),
    lines: async (db, period, page) => {
      const { lines, next } = await linesOf(db, holder, period, page);
      const shown = lines.map(({ at, amount, ...line }) => {
        return { at: at.toISOString(), ...line, amount: amount.toString() };
      });
      return { lines: shown, next };
    },
  };
}
