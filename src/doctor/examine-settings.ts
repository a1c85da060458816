/** Would `app serve` start with these settings? Each one it refuses, and what would be taken. */
import type { Config, ConfigProblem } from "../config.ts";
import { type Finding, ill, well } from "./finding.ts";

export function examineSettings(
  { APP_ROLE, APP_ENV }: Config,
  refused: readonly ConfigProblem[],
): Finding[] {
  if (refused.length > 0) return refused.map(refusal);
  return [well("settings", `role ${APP_ROLE.join(", ")}, ${APP_ENV}`)];
}

function refusal({ name, value, expected }: ConfigProblem): Finding {
  const is = value === "" ? "missing" : `"${value}"`;
  return ill(
    "settings",
    `${name} is ${is}, and \`app serve\` refuses that`,
    `expected ${expected}`,
  );
}
