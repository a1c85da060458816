/** `app erase`: forgets a party, through the server that holds the data where one runs. */
import { HttpProblem } from "#platform/http/problem";
import type { Config } from "../config.ts";
import { askServer } from "./ask-server.ts";
import { ExitError } from "./exit.ts";
import { withApplication } from "./with-application.ts";

export async function runErase(config: Config, partyId: string): Promise<void> {
  const path = `/v1/parties/${encodeURIComponent(partyId)}/personal-data`;
  const asked = await askServer(config, path, { method: "DELETE" });
  if (asked === undefined) {
    await withApplication(config, ({ personalData }) => eraseHere(personalData, partyId));
  }
  process.stdout.write(`erased ${partyId}\n`);
}

async function eraseHere(
  personalData: { erase(partyId: string): Promise<void> },
  partyId: string,
): Promise<void> {
  try {
    await personalData.erase(partyId);
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    throw new ExitError(6, `refused: ${error.code} ${error.message}`);
  }
}
