/**
 * How a command reaches the data: through the server that holds the embedded folder, where one runs,
 * else in the stores themselves. Both give the same answer, and both refuse with the same words.
 */
import type { Config } from "../config.ts";
import type { Application } from "../roles.ts";
import { askServer, type Question } from "./ask-server.ts";
import { withApplication } from "./with-application.ts";

export interface Wish<T> extends Question {
  readonly path: string;
  /** The same without a server. */
  readonly here: (application: Application) => Promise<T>;
}

export async function askOrOpen<T>(
  config: Config,
  { path, here, ...question }: Wish<T>,
): Promise<T> {
  const asked = await askServer<T>(config, path, question);
  return asked ?? withApplication(config, here);
}
