/**
 * What is asked of every webhook, in this order: is it signed, is it of now, is it JSON, is it an event
 * of the provider? Whoever has none of the secrets learns nothing but that.
 */
import type { RefusedWebhook, WebhookFault } from "../provider.ts";

export const toleranceSeconds = 300;

export interface SignedWebhook {
  readonly bytes: Uint8Array;
  /** When one of the secrets signed exactly these bytes; undefined: none did. */
  readonly signedSeconds: number | undefined;
  readonly wall: Date;
}

/** `parse` answers undefined to what is no event of the provider's. */
export function readSigned<T>(
  { bytes, signedSeconds, wall }: SignedWebhook,
  parse: (body: unknown) => T | undefined,
): { readonly event: T } | RefusedWebhook {
  if (signedSeconds === undefined) return { refused: "signature" };
  const untimely = timeFault(signedSeconds, wall);
  if (untimely !== undefined) return { refused: untimely };
  const body = parsedJson(bytes);
  if (body === undefined) return { refused: "not_json" };
  const event = parse(body);
  return event === undefined ? { refused: "not_an_event" } : { event };
}

/** A future time is no better than an old one: both are somebody else's replay. */
function timeFault(signedSeconds: number, wall: Date): WebhookFault | undefined {
  const age = wall.getTime() / 1_000 - signedSeconds;
  if (age > toleranceSeconds) return "too_old";
  return age < -toleranceSeconds ? "in_future" : undefined;
}

/** Undefined: not JSON. */
function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
