/** `app config`: what this start would use. */
import { type Config, shownConfig } from "../config.ts";
import { ExitError } from "./exit.ts";

export function showConfig(config: Config, action: string): void {
  if (action === "check") {
    process.stdout.write("ok\n");
    return;
  }
  if (action !== "show") throw new ExitError(2, "expected show or check");
  for (const [name, value] of Object.entries(shownConfig(config))) {
    process.stdout.write(`${name}=${value}\n`);
  }
}
