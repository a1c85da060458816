/**
 * How `app dlq` and `app outbox` reach the data: through the server named by --server, else through
 * the one that holds the embedded folder, else in the database itself. The same desk answers.
 */
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { partyPattern } from "#platform/http/path-id";
import { HttpProblem } from "#platform/http/problem";
import type { Principal } from "#platform/module";
import type { Config } from "../config.ts";
import type { OperatorDesks } from "../dead-letters/operator-desks.ts";
import { askAt, askServer } from "./ask-server.ts";
import { ExitError } from "./exit.ts";
import { withApplication } from "./with-application.ts";

export interface ServerOptions {
  readonly server?: string;
  readonly tokenFile?: string;
}

export interface Wish<T> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: object;
  /** The same without a server. */
  readonly here: (desks: OperatorDesks, operator: Principal) => Promise<T>;
}

export async function askOperator<T>(
  config: Config,
  { server, tokenFile }: ServerOptions,
  { method, path, body, here }: Wish<T>,
): Promise<T> {
  const question = { method, ...(body && { body }) };
  if (server !== undefined) {
    return askAt<T>({ url: addressIn(server), token: tokenIn(tokenFile) }, path, question);
  }
  const subject = whoami();
  const asked = await askServer<T>(config, path, { ...question, subject });
  if (asked !== undefined) return asked;
  const operator = { issuer: config.JWT_ISSUER, subject, roles: ["admin"] };
  return withApplication(config, ({ desks }) => here(desks, operator)).catch(refused);
}

/** Who sits at this machine: written down with what is done. */
function whoami(): string {
  const { username } = userInfo();
  return partyPattern.test(username) ? username : "command-line";
}

function addressIn(server: string): string {
  if (/^https?:\/\//.test(server) && URL.canParse(server)) return server.replace(/\/+$/, "");
  throw new ExitError(2, `--server: "${server}" is no address such as https://escrow.example`);
}

/** Out of a file: a command line is seen by everybody on the machine. */
function tokenIn(file: string | undefined): string {
  if (file === undefined) throw new ExitError(2, "--server needs --token-file");
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    throw new ExitError(2, `--token-file: cannot read "${file}"`);
  }
}

/** What a server would have answered with a status. */
function refused(error: unknown): never {
  if (!(error instanceof HttpProblem)) throw error;
  throw new ExitError(6, `refused: ${error.code} ${error.message}`);
}
