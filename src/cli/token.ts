/** `app token`: a development token on stdout and nothing else. */

import { mintToken } from "#platform/http/token";
import type { Config } from "../config.ts";
import { hasSecrets, tokenSecret } from "../secrets.ts";
import { noDataIn } from "./data-folder.ts";
import { ExitError } from "./exit.ts";

export interface TokenOptions {
  readonly sub: string;
  readonly role: readonly string[];
  readonly ttl: string;
}

/** As the API takes it. */
const subject = /^[A-Za-z0-9_.@:-]{1,128}$/;
const longestSeconds = 30 * 86_400;

export async function runToken(config: Config, options: TokenOptions): Promise<void> {
  if (config.JWT_JWKS_URL) {
    throw new ExitError(6, "refused: tokens come from the issuer behind JWT_JWKS_URL");
  }
  if (config.APP_ENV === "production") {
    throw new ExitError(
      6,
      "refused: a token for anybody is for development; production has an issuer or API keys",
    );
  }
  refuseWrongRoles(options.role);
  if (!subject.test(options.sub)) {
    throw new ExitError(2, `--sub: "${options.sub}"; expected letters, digits and _ . @ : - only`);
  }
  const ttl = Number(options.ttl);
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > longestSeconds) {
    throw new ExitError(2, `--ttl: expected whole seconds, at most ${longestSeconds} (30 days)`);
  }
  if (config.MEMORY && !config.JWT_SECRET && config.embedded) {
    throw new ExitError(
      3,
      "wrong settings:\n  MEMORY: a server in memory keeps its secret to itself. Its banner prints tokens; for others start it with a JWT_SECRET and give `app token` the same",
    );
  }
  if (!config.JWT_SECRET && config.embedded && !hasSecrets(config)) throw noDataIn(config);
  const secret = tokenSecret(config);
  if (!secret)
    throw new ExitError(3, "wrong settings:\n  JWT_SECRET: missing; expected at least 32 bytes");
  if (options.role.length === 0) {
    process.stderr.write("no --role: the token acts as a party of its own deals alone\n");
  }
  process.stdout.write(`${await mint(config, secret, options.sub, options.role, ttl)}\n`);
}

const knownRoles = ["buyer", "seller", "admin", "auditor", "service"];

function refuseWrongRoles(roles: readonly string[]): void {
  const wrong = roles.find((role) => !knownRoles.includes(role));
  if (wrong !== undefined) {
    throw new ExitError(2, `--role: "${wrong}" is none of ${knownRoles.join(", ")}`);
  }
}

export function mint(
  config: Config,
  secret: string,
  sub: string,
  roles: readonly string[],
  ttl: number,
): Promise<string> {
  return mintToken({
    secret: new TextEncoder().encode(secret),
    sub,
    roles,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    ttl,
  });
}
