/**
 * Signatures between us and the custodian, HMAC-SHA-256 in lower-case hex. Ours cover time, method,
 * path with query and raw body; theirs time and raw body, one for each secret while one is changed.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface Credentials {
  readonly keyId: string;
  readonly secret: string;
}

export interface SignedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body: string;
}

const toleranceSeconds = 300;
/** More than a rotation needs are an attempt to make us work. */
const mostSignatures = 4;

export function requestHeaders(
  { method, path, body }: SignedRequest,
  { keyId, secret }: Credentials,
  wall: Date,
): Record<string, string> {
  const timestamp = Math.floor(wall.getTime() / 1_000).toString();
  const text = `${timestamp}.${method}.${path}.${body}`;
  return {
    "Custodian-Key": keyId,
    "Custodian-Timestamp": timestamp,
    "Custodian-Signature": createHmac("sha256", secret).update(text).digest("hex"),
  };
}

/** True when one of the secrets signed exactly these bytes less than five minutes from now. */
export function isSigned(
  bytes: Uint8Array,
  headers: Headers,
  secrets: readonly string[],
  wall: Date,
): boolean {
  const timestamp = headers.get("Custodian-Timestamp") ?? "";
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false;
  // A future time is no better than an old one: both are somebody else's replay.
  if (Math.abs(wall.getTime() / 1_000 - Number(timestamp)) > toleranceSeconds) return false;
  const parts = (headers.get("Custodian-Signature") ?? "").split(",");
  if (parts.length > mostSignatures) return false;
  const given = parts.flatMap((part) => /^\s*v1=([0-9a-f]{64})\s*$/.exec(part)?.[1] ?? []);
  return secrets.some((secret) => {
    const expected = createHmac("sha256", secret).update(`${timestamp}.`).update(bytes).digest();
    return given.some((signature) => timingSafeEqual(Buffer.from(signature, "hex"), expected));
  });
}
