/**
 * Idempotency keys: which request this is, and whether another body came under the same key. The
 * fingerprint is keyed (HMAC), because a short text must not be guessable from it once the key that
 * sealed the text is destroyed.
 */
import { hkdfSync } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Context } from "hono";
import type { HttpEnv } from "../module.ts";
import { headerOf } from "./openapi/headers.ts";
import { HttpProblem } from "./problem.ts";

const keyPattern = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** The request's Idempotency-Key: 1 to 255 printable ASCII characters; 400 otherwise. */
export function idempotencyKeyOf(c: Context<HttpEnv>): string {
  const key = headerOf(c, "Idempotency-Key") ?? "";
  if (keyPattern.test(key)) return key;
  throw new HttpProblem(
    "IDEMPOTENCY_KEY_REQUIRED",
    "Send an Idempotency-Key of 1 to 255 printable ASCII characters; repeat it with the request.",
  );
}

/** The key of all fingerprints, derived from the data key so that it needs no secret of its own. */
export function fingerprintKeyFrom(dataKey: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", dataKey, "", "idempotency-fingerprint", 32));
}

/** 64 hex characters over the route (method and path) and the body, however it was spelled. */
export function fingerprintOf(key: Uint8Array, route: string, body: JsonValue): string {
  return new Bun.CryptoHasher("sha256", key)
    .update(`${route}\n${canonicalJson(body)}`, "utf8")
    .digest("hex");
}

/** Keys sorted, no white space: two spellings of one value are one text. */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name] ?? null)}`);
  return `{${members.join(",")}}`;
}
