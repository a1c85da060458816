/** `app config`: what this start would use. */
import { type Config, shownConfig } from "../config.ts";

export function showConfig(config: Config): void {
  for (const [name, value] of Object.entries(shownConfig(config))) {
    process.stdout.write(`${name}=${value}\n`);
  }
}
