/** Makes tokens for development and tests: HS256 with the secret the server verifies with. */
import { SignJWT } from "jose";

export interface MintOptions {
  readonly secret: Uint8Array;
  readonly sub: string;
  readonly roles: readonly string[];
  readonly issuer: string;
  readonly audience: string;
  /** Seconds until it expires. */
  readonly ttl: number;
  readonly now?: Date;
}

export async function mintToken(options: MintOptions): Promise<string> {
  const { secret, sub, roles, issuer, audience, ttl, now = new Date() } = options;
  const issuedAt = Math.floor(now.getTime() / 1_000);
  return new SignJWT({ roles: [...roles] })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(sub)
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttl)
    .sign(secret);
}
