/**
 * What the commands of operators have in common: whom they ask, and how the caller says so. Each is
 * answered by a running server, or by the stores where none runs.
 */
import type { Command } from "commander";
import type { Config } from "../config.ts";

/** What the program gives its branches. */
export interface CommandTree {
  readonly located: (command: Command) => Command;
  readonly configOf: (options: Record<string, unknown>) => Config;
  readonly examples: (...lines: readonly string[]) => string;
}

export const whereAsked = `
Asked is the server at --server, else the one that holds --data-dir, else the database itself.`;

/** Of what a server answers, and the stores where none runs. */
export function withServerOptions(command: Command, { located }: CommandTree): Command {
  return located(command)
    .option("--json", "one JSON object on stdout")
    .option("--server <url>", "a running server, as whoever the token is about")
    .option("--token-file <file>", "that token");
}
