/** `app rebuild`: the read models anew from the topics, while queries go on. */
import type { Config } from "../config.ts";
import { askOrOpen } from "./ask-or-open.ts";

export async function runRebuild(config: Config): Promise<void> {
  const { messages, setAside } = await askOrOpen(config, {
    path: "/v1/operations/rebuild",
    here: async (application) => {
      const report = await application.rebuild();
      return { messages: String(report.messages), setAside: report.setAside };
    },
  });
  process.stdout.write(`rebuilt from ${messages} messages, ${setAside} keys set aside\n`);
}
