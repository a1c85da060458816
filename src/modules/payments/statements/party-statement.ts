/** A party's own words: what it was to him, in his favour or, negative, to his charge. */
import { type PartyHolder, partyBalancesAt, partyLinesOf } from "./party-statements.ts";
import type { Statement } from "./statement.ts";

export function partyStatement(holder: PartyHolder): Statement {
  return {
    about: { party: holder.partyId },
    columns: [
      ...["at", "escrowId", "role", "what", "currency", "inYourFavour", "reference"],
      "transactionId",
    ],
    balanceColumn: {},
    balances: async (db, at) =>
      (await partyBalancesAt(db, holder, at)).map(({ currency, amount }) => {
        return { currency, inYourFavour: amount.toString() };
      }),
    lines: async (db, period, page) => {
      const { lines, next } = await partyLinesOf(db, holder, period, page);
      const shown = lines.map(({ at, amount, ...line }) => {
        return { at: at.toISOString(), ...line, inYourFavour: amount.toString() };
      });
      return { lines: shown, next };
    },
  };
}
