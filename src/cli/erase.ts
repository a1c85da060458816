/**
 * `app erase`: forgets a party, through the server that holds the data where one runs. Nothing brings
 * back what it destroys, so whoever asks says the party's id twice, or --yes.
 */
import { createInterface } from "node:readline/promises";
import type { Config } from "../config.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { ExitError } from "./exit.ts";

export interface EraseOptions {
  readonly party: string;
  readonly yes?: boolean;
}

/** The books and the audit log prove themselves by these. */
const kept =
  "every text it wrote is unreadable; ids, amounts and the accounts it was paid to, former ones too, stay";

/** What was typed; undefined where nobody sits at a terminal. */
export type Ask = (question: string) => Promise<string | undefined>;

export async function runErase(
  config: Config,
  { party: partyId, yes = false }: EraseOptions,
  ask: Ask = atTerminal,
): Promise<void> {
  if (!yes) await confirm(partyId, ask);
  const { known = true } = await askOrOpen<{ readonly known?: boolean }>(config, {
    method: "DELETE",
    path: `/v1/parties/${encodeURIComponent(partyId)}/personal-data`,
    here: async ({ personalData }) => ({ known: await personalData.erase(partyId) }),
  });
  // A name mistyped erases nobody, and whoever asked should hear of it.
  const words = known
    ? `erased ${partyId}: ${kept}`
    : `nothing to erase: ${partyId} left no text here`;
  process.stdout.write(`${words}\n`);
}

async function confirm(partyId: string, ask: Ask): Promise<void> {
  const typed = await ask(
    `every text ${partyId} ever wrote becomes unreadable, for ever; type the id again: `,
  );
  if (typed === undefined) {
    throw new ExitError(2, "erase: nothing brings it back; without a terminal say --yes");
  }
  if (typed !== partyId) throw new ExitError(6, "refused: that is another id; nothing was erased");
}

/** The question is no output: a script may keep that. */
async function atTerminal(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // An end of input is no answer, but somebody was asked.
  const ended = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  try {
    return (await Promise.race([terminal.question(question), ended])).trim();
  } finally {
    terminal.close();
  }
}
