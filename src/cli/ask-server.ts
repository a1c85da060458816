/**
 * Asks the running server that holds an embedded data folder: only one process may open it. The
 * server's address is in the folder's lock, its token secret in the folder.
 */

import { dataDirOwner } from "#platform/database/data-dir";
import { TransientError } from "#platform/errors";
import { HttpProblem } from "#platform/http/problem";
import type { Config } from "../config.ts";
import { tokenSecret } from "../secrets.ts";
import { mint } from "./token.ts";

export interface Question {
  readonly method?: string;
  readonly body?: object;
  /** As whom it is asked. */
  readonly subject?: string;
}

/** The answer, or undefined where no server holds the folder and the command may open it itself. */
export async function askServer<T>(
  config: Config,
  path: string,
  { method = "POST", body, subject = "command-line" }: Question = {},
): Promise<T | undefined> {
  if (!config.embedded || config.MEMORY) return undefined;
  const owner = dataDirOwner(config.DATA_DIR);
  if (!owner?.url) return undefined;
  const secret = tokenSecret(config);
  if (!secret)
    throw new TransientError(`the server at ${owner.url} keeps its token secret elsewhere`);
  const token = await mint(config, secret, subject, ["admin"], 60);
  const whose = `process ${owner.pid} at ${owner.url}`;
  return askAt<T>({ url: owner.url, token, whose }, path, { method, ...(body && { body }) });
}

/** A server at an address, as whoever the token is about. */
export async function askAt<T>(
  {
    url,
    token,
    whose = url,
  }: { readonly url: string; readonly token: string; readonly whose?: string },
  path: string,
  { method = "POST", body }: Question = {},
): Promise<T> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new TransientError(`${whose} does not answer`, {
      cause: error,
    });
  });
  if (response.status < 500 && response.status >= 400) {
    const { code, detail } = (await response.json()) as { code?: string; detail?: string };
    throw new HttpProblem(code ?? String(response.status), detail ?? "");
  }
  if (!response.ok) throw new TransientError(`${url}${path} answered ${response.status}`);
  return (await response.json()) as T;
}
