/**
 * Would `app serve` start with these settings? Each one it refuses, and what would be taken; and those
 * it takes that go ill together.
 */
import { assertOwnAddress } from "#platform/http/serve";
import { defaultRedriveDelaysMs } from "#platform/messaging/parking";
import type { Config, ConfigProblem } from "../config.ts";
import { doubt, type Finding, ill, textOf, well } from "./finding.ts";

export function examineSettings(config: Config, refused: readonly ConfigProblem[]): Finding[] {
  if (refused.length > 0) return refused.map(refusal);
  const { APP_ROLE, APP_ENV } = config;
  return [
    well("settings", `role ${APP_ROLE.join(", ")}, ${APP_ENV}`),
    ...examineAddress(config),
    ...examinePatience(config),
  ];
}

/** The port is not tried: a server with these settings may have it. */
function examineAddress({ HOST }: Config): Finding[] {
  try {
    assertOwnAddress(HOST);
    return [];
  } catch (error) {
    return [ill("settings", "`app serve` cannot listen", textOf(error))];
  }
}

/** Whoever lacks what a connector left out is tried until the relay has published it, or is dead before. */
function examinePatience({ OUTBOX_PUBLISHER, OUTBOX_CDC_PATIENCE }: Config): Finding[] {
  const triesLast = defaultRedriveDelaysMs.reduce((sum, delayMs) => sum + delayMs, 0) / 1_000;
  const late = 2 * OUTBOX_CDC_PATIENCE;
  if (OUTBOX_PUBLISHER !== "cdc" || late < triesLast) return [];
  const left = `what a connector leaves out comes up to ${late} seconds late`;
  const text = `${left} (OUTBOX_CDC_PATIENCE), and messages that lack it are dead after ${triesLast}`;
  const less = `set it to less than ${triesLast / 2}`;
  return [doubt("settings", text, `${less}, or app dlq replay --where cause=GapError then`)];
}

function refusal({ name, value, expected }: ConfigProblem): Finding {
  const is = value === "" ? "missing" : `"${value}"`;
  return ill(
    "settings",
    `${name} is ${is}, and \`app serve\` refuses that`,
    `expected ${expected}`,
  );
}
