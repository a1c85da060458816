/** A party's own words: what it was to him, in his favour or, negative, to his charge. */
import {
  type PartyHolder,
  type PartyStatementLine,
  partyBalancesAt,
  partyLinesOf,
} from "./party-statements.ts";
import type { Statement } from "./statement.ts";

/** `only`: whoever reads it knows this escrow of his and no other. */
export function partyStatement(holder: PartyHolder, only?: string): Statement {
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
      const known = only === undefined ? lines : lines.map((line) => knownOf(line, only));
      const shown = known.map(({ at, amount, ...line }) => {
        return { at: at.toISOString(), ...line, inYourFavour: amount.toString() };
      });
      return { lines: shown, next };
    },
  };
}

/** What another escrow repaid is this one's too, so that it closes at 0; not which one, nor by what. */
function knownOf(line: PartyStatementLine, only: string): PartyStatementLine {
  if (line.escrowId === only) return line;
  return { ...line, escrowId: only, reference: "", transactionId: "" };
}
