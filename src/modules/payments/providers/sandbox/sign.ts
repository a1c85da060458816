/**
 * Signatures of the sandbox's webhooks: `Sandbox-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>]`,
 * HMAC-SHA-256 over `<t>.<raw body>`; one v1 per secret, so a secret can be changed without a gap.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export const signatureHeader = "Sandbox-Signature";
/** More signatures than a rotation needs are an attempt to make us work. */
const mostSignatures = 8;

export function sign(body: string, secrets: readonly string[], wall: Date): string {
  const t = Math.floor(wall.getTime() / 1_000);
  const signatures = secrets.map((secret) => `v1=${digest(secret, t, Buffer.from(body))}`);
  return [`t=${t}`, ...signatures].join(",");
}

/** The time, in seconds, with which one of the secrets signed exactly these bytes; undefined: none did. */
export function signedAt(
  bytes: Uint8Array,
  header: string | null,
  secrets: readonly string[],
): number | undefined {
  const parts = (header ?? "").split(",").map((part) => part.trim());
  const t = /^t=([0-9]{1,12})$/.exec(parts[0] ?? "")?.[1];
  if (t === undefined) return undefined;
  const given = parts.slice(1).flatMap((part) => /^v1=([0-9a-f]{64})$/.exec(part)?.[1] ?? []);
  if (given.length > mostSignatures) return undefined;
  const signed = secrets.some((secret) => {
    const expected = Buffer.from(digest(secret, Number(t), bytes), "hex");
    return given.some((signature) => timingSafeEqual(Buffer.from(signature, "hex"), expected));
  });
  return signed ? Number(t) : undefined;
}

function digest(secret: string, t: number, bytes: Uint8Array): string {
  return createHmac("sha256", secret).update(`${t}.`).update(bytes).digest("hex");
}
