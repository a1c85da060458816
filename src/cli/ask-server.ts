/**
 * Asks the running server that holds an embedded data folder: only one process may open it. The
 * server's address is in the folder's lock, its token secret in the folder.
 */

import { dataDirOwner } from "#platform/data-dir";
import { TransientError } from "#platform/errors";
import type { Config } from "../config.ts";
import { tokenSecret } from "../secrets.ts";
import { ExitError } from "./exit.ts";
import { mint } from "./token.ts";

/** The answer, or undefined where no server holds the folder and the command may open it itself. */
export async function askServer<T>(
  config: Config,
  path: string,
  { method = "POST", body }: { readonly method?: string; readonly body?: object } = {},
): Promise<T | undefined> {
  if (!config.embedded || config.MEMORY) return undefined;
  const owner = dataDirOwner(config.DATA_DIR);
  if (!owner?.url) return undefined;
  const secret = tokenSecret(config);
  if (!secret)
    throw new TransientError(`the server at ${owner.url} keeps its token secret elsewhere`);
  const token = await mint(config, secret, "command-line", ["admin"], 60);
  const response = await fetch(`${owner.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new TransientError(`process ${owner.pid} at ${owner.url} does not answer`, {
      cause: error,
    });
  });
  if (response.status < 500 && response.status >= 400) {
    const { code, detail } = (await response.json()) as { code?: string; detail?: string };
    throw new ExitError(6, `refused: ${code ?? response.status} ${detail ?? ""}`);
  }
  if (!response.ok) throw new TransientError(`${owner.url}${path} answered ${response.status}`);
  return (await response.json()) as T;
}
