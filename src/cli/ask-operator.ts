/**
 * How `app dlq` and `app outbox` reach the operators' desks: through the server named by --server,
 * else as any command does. Whoever sits at this machine is written down with what is done.
 */
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { partyPattern } from "#platform/http/path-id";
import type { Principal } from "#platform/module";
import type { Config } from "../config.ts";
import type { OperatorDesks } from "../dead-letters/operator-desks.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { askAt } from "./ask-server.ts";
import { ExitError } from "./exit.ts";

export interface ServerOptions {
  readonly server?: string;
  readonly tokenFile?: string;
}

export interface DeskWish<T> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: object;
  /** The same without a server. */
  readonly here: (desks: OperatorDesks, operator: Principal) => Promise<T>;
}

export async function askOperator<T>(
  config: Config,
  { server, tokenFile }: ServerOptions,
  { path, here, ...question }: DeskWish<T>,
): Promise<T> {
  if (server !== undefined) {
    return askAt<T>({ url: addressIn(server), token: tokenIn(tokenFile) }, path, question);
  }
  const subject = whoami();
  const operator = { issuer: config.JWT_ISSUER, subject, roles: ["admin"] };
  return askOrOpen(config, {
    ...question,
    path,
    subject,
    here: ({ desks }) => here(desks, operator),
  });
}

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
