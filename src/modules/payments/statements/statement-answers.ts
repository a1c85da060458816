/** A statement as the reference has it: a party's view, amounts in its favour, or the ledger's. */
import { z } from "zod";
import { instant, minor } from "#platform/http/openapi/answers";

const inYourFavour = () => minor().describe("Negative where it is to the party's charge.");
const partyBalance = () => z.object({ currency: z.string(), inYourFavour: inYourFavour() });
const partyLine = () =>
  z.object({
    at: instant(),
    escrowId: z.string(),
    role: z.enum(["buyer", "seller"]),
    what: z.string().describe("What it was to the party."),
    currency: z.string(),
    inYourFavour: inYourFavour(),
    reference: z.string(),
    transactionId: z
      .string()
      .describe("The ledger's. It and `reference` are empty of what a service may not know."),
  });

const ledgerBalance = () =>
  z.object({ account: z.string(), currency: z.string(), balance: minor() });
const ledgerLine = () =>
  z.object({
    at: instant(),
    transactionId: z.string(),
    escrowId: z.string(),
    account: z.string(),
    reason: z.string(),
    reference: z.string(),
    currency: z.string(),
    amount: minor().describe("Debits positive."),
  });

function pageOf<B extends z.ZodType, L extends z.ZodType>(balance: () => B, line: () => L) {
  return z.object({
    from: instant(),
    until: instant(),
    opening: z.array(balance()),
    lines: z.array(line()),
    closing: z.array(balance()),
    next: z.string().nullable().describe("The cursor of the next page."),
  });
}

export const statement = () =>
  z.union([
    pageOf(partyBalance, partyLine).extend({ party: z.string() }),
    pageOf(ledgerBalance, ledgerLine),
  ]);
