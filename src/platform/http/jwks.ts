/**
 * The public keys of an issuer, fetched at most once a minute whatever tokens ask for. While the
 * issuer cannot be reached the last known keys serve for a day; after that nobody is let in (503).
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Clock } from "../clock.ts";
import { TransientError } from "../errors.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface Jwks {
  readonly keyFor: JWTVerifyGetKey;
}

export interface JwksOptions {
  /** https, or http on this machine. */
  readonly url: string;
  readonly clock: Pick<Clock, "wall">;
  readonly logger: Logger;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

const REFRESH_MS = 60_000;
const KEEP_MS = 24 * 3_600_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 65_536;

interface Known {
  readonly select: JWTVerifyGetKey;
  readonly atMs: number;
}

export function createJwks({ url, clock, logger, fetch: get = fetch }: JwksOptions): Jwks {
  refusePlainHttp(url);
  let known: Known | undefined;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let under: Promise<void> | undefined;

  async function refresh(nowMs: number): Promise<void> {
    triedAtMs = nowMs;
    try {
      const keys = await fetchKeys(url, get);
      known = { select: createLocalJWKSet(keys), atMs: nowMs };
    } catch (error) {
      logger.warn({ err: error }, "the token issuer's keys could not be fetched");
    }
  }

  /** Waits for a fetch under way; starts one when the last try is a minute old. */
  async function upToDate(): Promise<Known> {
    const nowMs = clock.wall().getTime();
    if (under === undefined && nowMs - triedAtMs >= REFRESH_MS) {
      under = refresh(nowMs).finally(() => {
        under = undefined;
      });
    }
    // Known keys go on serving while their successor is fetched.
    if (known === undefined || nowMs - known.atMs > REFRESH_MS * 2) await under;
    if (known === undefined || nowMs - known.atMs > KEEP_MS) {
      throw new TransientError("the token issuer's keys are not known");
    }
    return known;
  }

  return {
    keyFor: async (header, token) => {
      const { select } = await upToDate();
      try {
        return await select(header, token);
      } catch (error) {
        // A new key: the fetch that upToDate started, if any, may bring it.
        if (!(error instanceof errors.JWKSNoMatchingKey) || under === undefined) throw error;
        await under;
        return (known?.select ?? select)(header, token);
      }
    },
  };
}

function refusePlainHttp(url: string): void {
  const { protocol, hostname } = new URL(url);
  const local = hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
  if (protocol === "https:" || (protocol === "http:" && local)) return;
  throw new Error("the token issuer's keys must be fetched over https");
}

async function fetchKeys(
  url: string,
  get: (url: string, init: RequestInit) => Promise<Response>,
): Promise<JSONWebKeySet> {
  const response = await get(url, {
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { Accept: "application/json" },
  });
  if (!response.ok) throw new TransientError(`the issuer answered ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_BYTES) throw new TransientError("the issuer's key set is too large");
  const keys: unknown = JSON.parse(text);
  if (!isKeySet(keys)) throw new TransientError("the issuer's answer is not a key set");
  return keys;
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  return (
    typeof value === "object" && value !== null && "keys" in value && Array.isArray(value.keys)
  );
}
