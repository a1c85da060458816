/** `app rebuild`: the read models anew from the topics, while queries go on. */
import type { Config } from "../config.ts";
import { askServer } from "./ask-server.ts";
import { withApplication } from "./with-application.ts";

export async function runRebuild(config: Config): Promise<void> {
  const report =
    (await askServer<{ messages: string }>(config, "/v1/operations/rebuild")) ??
    (await withApplication(config, (application) => application.rebuild()));
  process.stdout.write(`rebuilt from ${report.messages} messages\n`);
}
