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

/** The time, in seconds, with which one of the secrets signed exactly these bytes; undefined: none did. */
export function signedAt(
  bytes: Uint8Array,
  headers: Headers,
  secrets: readonly string[],
): number | undefined {
  const timestamp = headers.get("Custodian-Timestamp") ?? "";
  if (!/^[0-9]{1,12}$/.test(timestamp)) return undefined;
  const parts = (headers.get("Custodian-Signature") ?? "").split(",");
  if (parts.length > mostSignatures) return undefined;
  const given = parts.flatMap((part) => /^\s*v1=([0-9a-f]{64})\s*$/.exec(part)?.[1] ?? []);
  const signed = secrets.some((secret) => {
    const expected = createHmac("sha256", secret).update(`${timestamp}.`).update(bytes).digest();
    return given.some((signature) => timingSafeEqual(Buffer.from(signature, "hex"), expected));
  });
  return signed ? Number(timestamp) : undefined;
}
