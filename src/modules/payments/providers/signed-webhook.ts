/** What is asked of every webhook once its signature holds: is it of now, and is it JSON? */
import type { WebhookFault } from "../provider.ts";

export const toleranceSeconds = 300;

/** A future time is no better than an old one: both are somebody else's replay. */
export function timeFault(signedSeconds: number, wall: Date): WebhookFault | undefined {
  const age = wall.getTime() / 1_000 - signedSeconds;
  if (age > toleranceSeconds) return "too_old";
  return age < -toleranceSeconds ? "in_future" : undefined;
}

/** Undefined: not JSON. */
export function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
