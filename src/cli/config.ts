/** `app config`: what this start would use, where each value is from and what it means. */
import { assertDataDirWritable } from "#platform/database/data-dir";
import { assertOwnAddress } from "#platform/http/serve";
import { type Config, type ConfigSources, type ShownSetting, shownSettings } from "../config.ts";
import { meanings } from "../settings/meanings.ts";
import { ExitError } from "./exit.ts";

export function showConfig(
  config: Config,
  sources: ConfigSources,
  action: string,
  { json = false }: { readonly json?: boolean },
): void {
  if (action !== "show" && action !== "check") throw new ExitError(2, "expected show or check");
  if (action === "check") {
    assertOwnAddress(config.HOST);
    if (config.embedded && !config.MEMORY) assertDataDirWritable(config.DATA_DIR);
    process.stdout.write(json ? '{"ok":true}\n' : "ok\n");
    return;
  }
  const shown = shownSettings(config, sources);
  if (json) {
    const settings = shown.map((one) => ({ ...one, meaning: meanings[one.name] }));
    process.stdout.write(`${JSON.stringify({ settings })}\n`);
    return;
  }
  // At once: a reader who has seen enough, as `head` has, breaks no second write.
  process.stdout.write(`${shown.map(line).join("\n")}\n`);
}

/** The value first, as an environment would have it; the rest is a comment. */
function line({ name, value, origin, default: usual }: ShownSetting): string {
  const whence =
    origin === "default" ? (usual === "" ? "not set" : "the default") : `from ${origin}`;
  const other = origin !== "default" && usual !== "" ? `, default ${usual}` : "";
  return `${name}=${value}  # ${whence}${other}: ${meanings[name]}`;
}
