/**
 * AES-256-GCM over short values: 12 random bytes of nonce, ciphertext, 16 bytes of tag. What is
 * bound as `context` must be the same to open: a sealed text cannot be moved to another subject.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { TerminalError } from "../errors.ts";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;
export const keyBytes = 32;

export function seal(key: Uint8Array, plain: Uint8Array, context: string): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(context, "utf8"));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws TerminalError when the bytes, the key or the context are not those that sealed it. */
export function unseal(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array {
  if (sealed.length < nonceBytes + tagBytes) throw new TerminalError("not a sealed value");
  const tagAt = sealed.length - tagBytes;
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes))
    .setAAD(Buffer.from(context, "utf8"))
    .setAuthTag(sealed.subarray(tagAt));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, tagAt)), decipher.final()]);
  } catch (error) {
    throw new TerminalError("a sealed value was changed, or sealed by another key", {
      cause: error,
    });
  }
}
