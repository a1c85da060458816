/** `app erase`: forgets a party, through the server that holds the data where one runs. */
import type { Config } from "../config.ts";
import { askOrOpen } from "./ask-or-open.ts";

export async function runErase(config: Config, partyId: string): Promise<void> {
  const { known = true } = await askOrOpen<{ readonly known?: boolean }>(config, {
    method: "DELETE",
    path: `/v1/parties/${encodeURIComponent(partyId)}/personal-data`,
    here: async ({ personalData }) => ({ known: await personalData.erase(partyId) }),
  });
  // A name mistyped erases nobody, and whoever asked should hear of it.
  const words = known ? `erased ${partyId}` : `nothing to erase: ${partyId} left no text here`;
  process.stdout.write(`${words}\n`);
}
