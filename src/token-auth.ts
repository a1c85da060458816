/** Whose tokens are believed: those of the issuer behind JWT_JWKS_URL, else those signed with the secret. */
import type { Clock } from "#platform/clock";
import type { ApiKeyVerifier } from "#platform/http/api-keys";
import { type Auth, createAuth } from "#platform/http/auth";
import { createJwks } from "#platform/http/jwks";
import type { Logger } from "#platform/telemetry/logger";
import type { Config } from "./config.ts";
import type { Secrets } from "./secrets.ts";

export interface TokenAuthDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly apiKeys: ApiKeyVerifier;
}

export function createTokenAuth({ config, secrets, clock, logger, apiKeys }: TokenAuthDeps): Auth {
  const { JWT_JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = config;
  if (jwksUrl) {
    const jwks = createJwks({ url: jwksUrl, clock, logger });
    return createAuth({ keys: { jwks }, issuer, audience, clock, apiKeys });
  }
  if (!secrets.jwtSecret) throw new Error("neither JWT_SECRET nor JWT_JWKS_URL");
  const secret = new TextEncoder().encode(secrets.jwtSecret);
  return createAuth({ keys: { secret }, issuer, audience, clock, apiKeys });
}
