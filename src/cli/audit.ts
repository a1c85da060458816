/** `app audit verify`: every link of the modules' audit logs, the first that is broken, exit 5. */
import type { AuditReport } from "#platform/audit";
import type { Config } from "../config.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { ExitError } from "./exit.ts";

export async function runAudit(
  config: Config,
  action: string,
  { json = false }: { readonly json?: boolean },
): Promise<void> {
  if (action !== "verify") throw new ExitError(2, `"${action}": audit knows only verify`);
  const { logs } = await askOrOpen<{ logs: readonly AuditReport[] }>(config, {
    path: "/v1/operations/audit",
    here: async (application) => ({ logs: await application.audit() }),
  });
  process.stdout.write(json ? `${JSON.stringify({ logs })}\n` : logs.map(textOf).join(""));
  if (logs.some(({ broken }) => broken !== undefined)) {
    throw new ExitError(5, "an audit log is broken");
  }
}

function textOf({ log, links, rows, waiting, head, broken }: AuditReport): string {
  const verdict = broken === undefined ? "ok  " : "FAIL";
  const why = broken === undefined ? `head ${head}` : broken;
  return `${verdict} ${log}: ${rows} rows in ${links} links, ${waiting} waiting; ${why}\n`;
}
