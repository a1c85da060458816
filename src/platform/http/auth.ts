/**
 * Who is calling: verifies a bearer token against fixed algorithms, issuer and audience, and turns
 * it into a Principal. A request without one valid token gets 401 and learns nothing else.
 */
import type { Context, MiddlewareHandler } from "hono";
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from "jose";
import type { Clock } from "../clock.ts";
import type { CallerRole, HttpEnv, Principal } from "../module.ts";
import type { ApiKeyVerifier } from "./api-keys.ts";
import type { Jwks } from "./jwks.ts";
import { partyPattern } from "./path-id.ts";
import { HttpProblem } from "./problem.ts";
import { createVerifiedTokens } from "./verified-tokens.ts";

export interface AuthOptions {
  /** A shared secret (HS256), or the keys of an issuer (ES256, RS256, EdDSA). Never both at once. */
  readonly keys: { readonly secret: Uint8Array } | { readonly jwks: Jwks };
  readonly issuer: string;
  readonly audience: string;
  readonly clock: Pick<Clock, "wall">;
  /** Absent: tokens only. */
  readonly apiKeys?: ApiKeyVerifier | undefined;
}

export interface Auth {
  /** The principal of a token alone (a console session); throws HttpProblem 401. */
  verify(token: string): Promise<Principal>;
  /** The principal of a request: its token, and on whose behalf it acts. */
  authenticate(c: Context): Promise<Principal>;
}

const MAX_TOKEN_LENGTH = 4_096;
const SKEW_SECONDS = 60;
const MIN_SECRET_BYTES = 32;
const bearer = /^Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;
const bearerKey = /^Bearer (esk_[A-Za-z0-9_-]{1,128})$/i;
const rolePattern = /^[a-z][a-z_-]{0,31}$/;
const keyIdPattern = /^[A-Za-z0-9_.:=-]{1,128}$/;
/** A key brought by the token itself proves nothing; `crit` asks for what we do not know. */
const allowedHeader = new Set(["alg", "typ", "kid"]);
const tokenTypes = new Set(["jwt", "at+jwt"]);

export function createAuth({ keys, issuer, audience, clock, apiKeys }: AuthOptions): Auth {
  const claims = { issuer, audience, clockTolerance: SKEW_SECONDS, requiredClaims: ["exp", "sub"] };
  const check = keyChecker(keys);
  const known = "secret" in keys ? createVerifiedTokens({ clock }) : undefined;

  async function verify(token: string): Promise<Principal> {
    const found = known?.find(token);
    if (found !== undefined) return found;
    if (token.length > MAX_TOKEN_LENGTH) throw refused("The token is too long.");
    try {
      checkHeader(decodeProtectedHeader(token));
      const now = clock.wall();
      const payload = await check(token, { ...claims, currentDate: now });
      const principal = principalOf(payload, issuer, now);
      known?.remember(token, principal, payload.exp);
      return principal;
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) {
        throw refused(reasonOf(error), error);
      }
      throw error;
    }
  }

  return {
    verify,
    authenticate: async (c) => {
      if (c.req.query("access_token") !== undefined || c.req.query("token") !== undefined) {
        throw refused("Send the token in the Authorization header, never in the address.");
      }
      const header = c.req.header("Authorization");
      const key = apiKeys && bearerKey.exec(header ?? "")?.[1];
      const principal = key ? await apiKeys.verify(key) : await verify(bearerToken(header));
      if (principal === undefined) throw refused("The API key is not valid.");
      return onBehalf(principal, c.req.header("On-Behalf-Of"));
    },
  };
}

/** Puts the principal into the context; everything behind it may rely on one. */
export function requireAuth(auth: Auth): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    c.set("principal", await auth.authenticate(c));
    await next();
  };
}

/** 403 unless the caller has one of the roles. */
export function requireRole(principal: Principal, ...roles: readonly CallerRole[]): void {
  if (roles.some((role) => principal.roles.includes(role))) return;
  throw new HttpProblem("ROLE_REQUIRED", `Needs the role ${roles.join(" or ")}.`);
}

interface Verification {
  readonly issuer: string;
  readonly audience: string;
  readonly clockTolerance: number;
  readonly requiredClaims: string[];
  readonly currentDate: Date;
}

function keyChecker(
  keys: AuthOptions["keys"],
): (token: string, options: Verification) => Promise<JWTPayload> {
  // The algorithms follow from our key, never from the token: no HS256 signed with a public key.
  if ("jwks" in keys) {
    const algorithms = ["ES256", "RS256", "EdDSA"];
    return async (token, options) =>
      (await jwtVerify(token, keys.jwks.keyFor, { ...options, algorithms })).payload;
  }
  if (keys.secret.length < MIN_SECRET_BYTES) {
    throw new Error(`the token secret needs at least ${MIN_SECRET_BYTES} bytes`);
  }
  const secret = importSecret(keys.secret);
  return async (token, options) =>
    (await jwtVerify(token, await secret, { ...options, algorithms: ["HS256"] })).payload;
}

/** Imported once: jose would import a raw secret at every token. */
async function importSecret(secret: Uint8Array): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", Uint8Array.from(secret), algorithm, false, ["verify"]);
}

function checkHeader(header: ProtectedHeaderParameters): void {
  for (const name of Object.keys(header)) {
    if (!allowedHeader.has(name)) throw refused("The token's header says more than it may.");
  }
  const { typ, kid } = header;
  const known = typ === undefined || (typeof typ === "string" && tokenTypes.has(typ.toLowerCase()));
  if (!known) throw refused("The token is not a JWT.");
  if (kid !== undefined && (typeof kid !== "string" || !keyIdPattern.test(kid))) {
    throw refused("The token's key id is not valid.");
  }
}

function principalOf(payload: JWTPayload, issuer: string, now: Date): Principal {
  const { sub, iat, roles = [] } = payload;
  if (typeof sub !== "string" || !partyPattern.test(sub)) {
    throw refused("The token's subject is not valid.");
  }
  if (iat !== undefined && iat > now.getTime() / 1_000 + SKEW_SECONDS) {
    throw refused("The token was issued in the future.");
  }
  if (!isRoles(roles)) throw refused("The token's roles are not valid.");
  return { issuer, subject: sub, roles };
}

function isRoles(roles: unknown): roles is readonly string[] {
  const isRole = (role: unknown) => typeof role === "string" && rolePattern.test(role);
  return Array.isArray(roles) && roles.length <= 16 && roles.every(isRole);
}

/** Two headers arrive joined by a comma, which no token contains. */
function bearerToken(header: string | undefined): string {
  if (header === undefined) {
    throw new HttpProblem("UNAUTHENTICATED", "Send Authorization: Bearer <token>.", {
      headers: { "WWW-Authenticate": 'Bearer realm="app"' },
    });
  }
  const token = bearer.exec(header)?.[1];
  if (token === undefined) {
    throw refused(
      "The Authorization header is not the word Bearer and one token: a JWT (three parts with dots between) or an API key (esk_…).",
    );
  }
  return token;
}

function onBehalf(principal: Principal, member: string | undefined): Principal {
  if (member === undefined) return principal;
  requireRole(principal, "service");
  if (!partyPattern.test(member)) {
    throw new HttpProblem("INVALID_HEADER", "On-Behalf-Of does not name a subject.");
  }
  return { ...principal, onBehalfOf: member };
}

/** Says what its holder can mend, and to a forger nothing that he does not know. */
function reasonOf(error: Error): string {
  if (error instanceof errors.JWTExpired) return "The token has expired.";
  const foreign =
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey;
  return foreign
    ? "The token was signed with another key than this server's."
    : "The token is not valid.";
}

function refused(detail: string, cause?: unknown): HttpProblem {
  return new HttpProblem("INVALID_TOKEN", detail, {
    headers: { "WWW-Authenticate": 'Bearer realm="app", error="invalid_token"' },
    cause,
  });
}
