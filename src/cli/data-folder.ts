/**
 * What a command beside the server asks of the embedded data folder: that there is one, and that it is
 * not its server's at this moment.
 */
import { dataDirOwner } from "#platform/database/data-dir";
import { SystemicError } from "#platform/errors";
import type { Config } from "../config.ts";
import { hasEmbeddedData } from "../stores.ts";
import { ExitError } from "./exit.ts";

/** Schema and tables of an embedded folder are its server's business: it saw to them as it started. */
export function refuseHeldFolder({ embedded, MEMORY, DATA_DIR }: Config): void {
  const owner = embedded && !MEMORY ? dataDirOwner(DATA_DIR) : undefined;
  if (owner === undefined) return;
  throw new SystemicError(
    `process ${owner.pid}${owner.url ? ` at ${owner.url}` : ""} holds ${DATA_DIR} and brought schema and topics ` +
      "up to date as it started; `app doctor` asks it how it is, and once it is stopped this command looks itself",
  );
}

/** A command that finds no data where it was told to look must not make some, and call it fine. */
export function refuseMissingFolder(config: Config): void {
  if (!config.embedded) return;
  if (config.MEMORY) {
    throw new ExitError(
      3,
      "wrong settings:\n  MEMORY: data in memory is one process's own; ask its server, or name a --data-dir",
    );
  }
  if (hasEmbeddedData(config)) return;
  throw noDataIn(config);
}

export function noDataIn({ DATA_DIR }: Config): ExitError {
  return new ExitError(
    3,
    `wrong settings:\n  DATA_DIR: no server has its data in "${DATA_DIR}"; start it first, or name its --data-dir`,
  );
}
