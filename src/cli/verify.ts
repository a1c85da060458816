/**
 * `app verify`: every invariant with a figure, the first counter-example of each, exit 5 when one is
 * broken. An embedded folder that a server holds is asked through that server.
 */
import type { Config } from "../config.ts";
import type { Report } from "../invariants/run-checks.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { ExitError } from "./exit.ts";

export interface VerifyOptions {
  readonly json?: boolean;
}

export async function runVerify(config: Config, { json = false }: VerifyOptions): Promise<void> {
  const report = await askOrOpen<Report>(config, {
    path: "/v1/operations/verify",
    here: (application) => application.verify(),
  });
  if (json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else {
    for (const { id, ok, name, checked, detail } of report.checks) {
      const verdict = ok ? "ok  " : "FAIL";
      const why = detail === undefined ? "" : `: ${detail}`;
      process.stdout.write(`${verdict} ${id} ${name} (${checked})${why}\n`);
    }
  }
  if (!report.ok) throw new ExitError(5, "an invariant is broken");
}
