/**
 * The SDK, held to our rules: one version of the API, no repetition of its own, and an end to every
 * call. What one method of the port asks ends, all requests together, before its claim does.
 */
import Stripe from "stripe";
import type { Clock } from "#platform/clock";
import type { Outcome } from "../../provider.ts";
import { callFailure, readFailure } from "./classify.ts";

/** Our objects are read in this form; a webhook in another is not ours to understand. */
export const apiVersion = "2026-10-28.endive";

const longestMs = 20_000;
const methodMs = 40_000;
/** Longer than a method's requests, the repetition the SDK makes of a cut connection included. */
export const timeoutMs = 60_000;

/** Asks Stripe within a method's time; `timeout` is what each single request may still take. */
export type Ask = <T>(request: (timeout: { readonly timeout: number }) => Promise<T>) => Promise<T>;

export interface StripeClient {
  readonly sdk: Stripe;
  readonly clock: Clock;
  /** A call that moves something. */
  call<T>(work: (ask: Ask) => Promise<T>): Promise<Outcome<T>>;
  read<T>(work: (ask: Ask) => Promise<T>): Promise<Outcome<T>>;
}

export function createClient({
  secretKey,
  apiBase,
  clock,
  requestMs = longestMs,
}: {
  readonly secretKey: string;
  /** Stripe itself unless told otherwise. */
  readonly apiBase: string | undefined;
  readonly clock: Clock;
  readonly requestMs?: number;
}): StripeClient {
  const sdk = new Stripe(secretKey, {
    apiVersion,
    maxNetworkRetries: 0,
    timeout: requestMs,
    telemetry: false,
    httpClient: Stripe.createFetchHttpClient(),
    ...(apiBase !== undefined && addressOf(apiBase)),
  });
  const timed = (): Ask => {
    const until = clock.monotonicMs() + methodMs;
    return (request) => {
      const left = Math.ceil(until - clock.monotonicMs());
      if (left <= 0) throw new Stripe.errors.StripeConnectionError({ message: "out of time" });
      return request({ timeout: Math.min(requestMs, left) });
    };
  };
  return {
    sdk,
    clock,
    call: (work) => settled(work(timed()), callFailure),
    read: (work) => settled(work(timed()), readFailure),
  };
}

async function settled<T>(
  work: Promise<T>,
  failure: typeof callFailure | typeof readFailure,
): Promise<Outcome<T>> {
  return work.then(
    (value) => ({ kind: "succeeded", value }) as const,
    (error: unknown) => failure(error),
  );
}

function addressOf(apiBase: string): {
  readonly protocol: "http" | "https";
  readonly host: string;
  readonly port: number;
} {
  const { protocol, hostname, port } = new URL(apiBase);
  const secure = protocol === "https:";
  return {
    protocol: secure ? "https" : "http",
    host: hostname,
    port: port === "" ? (secure ? 443 : 80) : Number(port),
  };
}
