/**
 * How `app dlq`, `app outbox` and `app escrow` reach what is an operator's: through the server named by --server,
 * else as any command does. Who acts is written down with what is done: whoever the token is about, else
 * the user of this machine, and beside him the name he says by --operator. Neither is proven.
 */
import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { partyPattern } from "#platform/http/path-id";
import type { Principal } from "#platform/module";
import type { Config } from "../config.ts";
import type { OperatorDesks } from "../dead-letters/operator-desks.ts";
import { unprovenSubject } from "../dead-letters/unproven.ts";
import type { Application } from "../roles.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { askAt } from "./ask-server.ts";
import { ExitError } from "./exit.ts";

export interface ServerOptions {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly operator?: string;
}

export interface DeskWish<T> {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: { readonly dryRun?: boolean };
  /** The same without a server. */
  readonly here: (
    desks: OperatorDesks,
    operator: Principal,
    application: Application,
  ) => Promise<T>;
}

export async function askOperator<T>(
  config: Config,
  { server, tokenFile, operator: named }: ServerOptions,
  { path, here, ...question }: DeskWish<T>,
): Promise<T> {
  if (server !== undefined) {
    if (named !== undefined) throw new ExitError(2, "--operator: with --server the token says it");
    return askAt<T>({ url: addressIn(server), token: tokenIn(tokenFile) }, path, question);
  }
  const acts = question.body !== undefined && question.body.dryRun !== true;
  const subject = operatorIn(named, acts);
  const operator = { issuer: config.JWT_ISSUER, subject, roles: ["admin"] };
  return askOrOpen(config, {
    ...question,
    path,
    subject,
    here: (application) => here(application.desks, operator, application),
  });
}

/** What is done to money's messages bears a name; who only looks need not have one. */
function operatorIn(named: string | undefined, acts: boolean): string {
  if (named !== undefined && !partyPattern.test(named)) {
    throw new ExitError(2, `--operator: "${named}" is no name such as ann or ann@shop.example`);
  }
  if (!acts) return "command-line";
  const user = systemUser();
  if ((named ?? user) !== undefined) return unprovenSubject({ user, host: hostname(), named });
  throw new ExitError(2, "this machine's user has no name: say who acts with --operator NAME");
}

/** Undefined where the system knows no name, as in a container: the runtime says "unknown" then. */
function systemUser(): string | undefined {
  try {
    const { username } = userInfo();
    return username !== "unknown" && partyPattern.test(username) ? username : undefined;
  } catch {
    return undefined;
  }
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
