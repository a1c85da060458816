/** `app erase`: forgets a party, through the server that holds the data where one runs. */
import { HttpProblem } from "#platform/http/problem";
import type { Config } from "../config.ts";
import { askServer } from "./ask-server.ts";
import { ExitError } from "./exit.ts";
import { withApplication } from "./with-application.ts";

export async function runErase(config: Config, partyId: string): Promise<void> {
  const path = `/v1/parties/${encodeURIComponent(partyId)}/personal-data`;
  const asked = await askServer<{ readonly known?: boolean }>(config, path, { method: "DELETE" });
  let known = asked?.known ?? true;
  if (asked === undefined) {
    await withApplication(config, async ({ personalData }) => {
      known = await eraseHere(personalData, partyId);
    });
  }
  // A name mistyped erases nobody, and whoever asked should hear of it.
  const words = known ? `erased ${partyId}` : `nothing to erase: ${partyId} left no text here`;
  process.stdout.write(`${words}\n`);
}

async function eraseHere(
  personalData: { erase(partyId: string): Promise<boolean> },
  partyId: string,
): Promise<boolean> {
  try {
    return await personalData.erase(partyId);
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    throw new ExitError(6, `refused: ${error.code} ${error.message}`);
  }
}
