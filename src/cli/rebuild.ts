/** `app rebuild`: the read models anew from the topics, while queries go on. */
import type { Config } from "../config.ts";
import { askServer } from "./ask-server.ts";
import { withApplication } from "./with-application.ts";

export async function runRebuild(config: Config): Promise<void> {
  const report =
    (await askServer<{ messages: string; setAside: number }>(config, "/v1/operations/rebuild")) ??
    (await withApplication(config, (application) => application.rebuild()));
  const { messages, setAside } = report;
  process.stdout.write(`rebuilt from ${messages} messages, ${setAside} keys set aside\n`);
}
