// bad input B16: every way a token can be wrong is 401 with WWW-Authenticate, and nothing else.
import { beforeAll, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { Hono } from "hono";
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from "jose";
import type { HttpEnv } from "../module.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { type Auth, createAuth, requireAuth } from "./auth.ts";
import { createJwks } from "./jwks.ts";
import { problemOf, problemResponse } from "./problem.ts";
import { mintToken } from "./token.ts";

const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const now = new Date("2026-01-01T00:00:00Z");
const seconds = now.getTime() / 1_000;
const clock = { wall: () => now };
const expected = { issuer: "app", audience: "api" };
const good = { sub: "alice", iss: "app", aud: "api", exp: seconds + 600, iat: seconds, roles: [] };
const hs256 = createAuth({ keys: { secret }, ...expected, clock });

function appWith(auth: Auth): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(requireAuth(auth));
  app.get("/", (c) => c.json(c.get("principal")));
  app.onError((error) => problemResponse(problemOf(error), "c"));
  return app;
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signed by hand, so that it may say what a library would not. */
function signed(payload: object, header: object = { alg: "HS256" }, key = secret): string {
  const text = `${base64(header)}.${base64(payload)}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}

async function answer(token: string | undefined, auth = hs256, path = "/", extra = {}) {
  const headers = { ...(token !== undefined && { Authorization: `Bearer ${token}` }), ...extra };
  return appWith(auth).request(path, { headers });
}

async function expectRefused(response: Response): Promise<void> {
  expect(response.status).toBe(401);
  expect(response.headers.get("WWW-Authenticate")).toStartWith("Bearer");
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
}

test("a minted token is a principal", async () => {
  const token = await mintToken({
    secret,
    sub: "alice",
    roles: ["buyer"],
    ...expected,
    ttl: 60,
    now,
  });
  const response = await answer(token);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ issuer: "app", subject: "alice", roles: ["buyer"] });
});

test("a clock a minute off is forgiven, more is not", async () => {
  expect((await answer(signed({ ...good, exp: seconds - 50 }))).status).toBe(200);
  expect((await answer(signed({ ...good, iat: seconds + 50 }))).status).toBe(200);
  await expectRefused(await answer(signed({ ...good, exp: seconds - 61 })));
});

const without = (name: keyof typeof good) =>
  Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
const unsigned = (header: object) => `${base64(header)}.${base64(good)}.`;
const ownKey = { kty: "oct", k: "AAAA" };

test.each([
  ["alg none", unsigned({ alg: "none" })],
  ["alg None", unsigned({ alg: "None" })],
  ["alg nOnE, with a signature", signed(good, { alg: "nOnE" })],
  ["no alg", signed(good, { typ: "JWT" })],
  ["alg HS512", signed(good, { alg: "HS512" })],
  ["a stripped signature", signed(good).replace(/[^.]+$/, "")],
  ["another secret", signed(good, { alg: "HS256" }, Buffer.alloc(32, 1))],
  ["a wrong issuer", signed({ ...good, iss: "other" })],
  ["no issuer", signed(without("iss"))],
  ["a wrong audience", signed({ ...good, aud: "other" })],
  ["no audience", signed(without("aud"))],
  ["a wrong typ", signed(good, { alg: "HS256", typ: "secevent+jwt" })],
  ["exp past", signed({ ...good, exp: seconds - 3_600 })],
  ["no exp", signed(without("exp"))],
  ["exp as a string", signed({ ...good, exp: String(seconds + 600) })],
  ["nbf in the future", signed({ ...good, nbf: seconds + 3_600 })],
  ["iat a year ahead", signed({ ...good, iat: seconds + 31_536_000 })],
  ["no subject", signed(without("sub"))],
  ["an empty subject", signed({ ...good, sub: "" })],
  ["a subject with a separator", signed({ ...good, sub: "alice|bob" })],
  ["a subject with a line end", signed({ ...good, sub: "alice\r\nX: y" })],
  ["roles as a string", signed({ ...good, roles: "admin" })],
  ["roles as objects", signed({ ...good, roles: [{}] })],
  ["crit", signed(good, { alg: "HS256", crit: ["b64"], b64: false })],
  ["an embedded jwk", signed(good, { alg: "HS256", jwk: ownKey })],
  ["jku", signed(good, { alg: "HS256", jku: "https://evil.example/keys" })],
  ["x5u", signed(good, { alg: "HS256", x5u: "https://evil.example/cert" })],
  ["kid traversal", signed(good, { alg: "HS256", kid: "../../dev/null" })],
  ["kid SQL", signed(good, { alg: "HS256", kid: "x' OR '1'='1" })],
  ["kid URL", signed(good, { alg: "HS256", kid: "https://evil.example/k" })],
  ["8 KB of token", signed({ ...good, pad: "x".repeat(8_000) })],
  ["a payload that is not JSON", `${base64({ alg: "HS256" })}.aGVsbG8.c2ln`],
  ["two parts", signed(good).split(".").slice(0, 2).join(".")],
  ["nothing", ""],
])("B16: %s", async (_name, token) => {
  await expectRefused(await answer(token));
});

test.each([
  ["The token has expired.", signed({ ...good, exp: seconds - 3_600 })],
  [
    "The token was signed with another key than this server's.",
    signed(good, { alg: "HS256" }, Buffer.alloc(32, 1)),
  ],
  // Whoever has no key learns nothing of what it says.
  [
    "The token was signed with another key than this server's.",
    signed({ ...good, exp: seconds - 3_600 }, { alg: "HS256" }, Buffer.alloc(32, 1)),
  ],
  ["The token is not valid.", signed({ ...good, iss: "other" })],
])("a refused token's holder is told: %s", async (detail, token) => {
  expect(await (await answer(token)).json()).toMatchObject({ code: "INVALID_TOKEN", detail });
});

test("B16: no token, another scheme, two headers, a token in the address", async () => {
  const token = signed(good);
  await expectRefused(await answer(undefined));
  for (const header of [token, `Basic ${token}`, `Bearer ${token}, Bearer ${token}`, "Bearer"]) {
    await expectRefused(await answer(undefined, hs256, "/", { Authorization: header }));
  }
  const foo = await answer(undefined, hs256, "/", { Authorization: "Bearer foo" });
  expect(await foo.json()).toMatchObject({
    code: "INVALID_TOKEN",
    detail: expect.stringContaining("is not the word Bearer and one token: a JWT"),
  });
  const doubled = new Headers([["Authorization", `Bearer ${token}`]]);
  doubled.append("Authorization", `Bearer ${token}`);
  await expectRefused(await appWith(hs256).request("/", { headers: doubled }));
  await expectRefused(await answer(undefined, hs256, `/?access_token=${token}`));
  await expectRefused(await answer(token, hs256, `/?access_token=${token}`));
});

test("a secret below 32 bytes is refused at start", () => {
  const short = new Uint8Array(31);
  expect(() => createAuth({ keys: { secret: short }, ...expected, clock })).toThrow("32 bytes");
});

test("only a service acts on behalf of a member", async () => {
  const service = signed({ ...good, sub: "shop", roles: ["service"] });
  const behalf = await answer(service, hs256, "/", { "On-Behalf-Of": "alice" });
  expect(await behalf.json()).toMatchObject({ subject: "shop", onBehalfOf: "alice" });
  expect((await answer(signed(good), hs256, "/", { "On-Behalf-Of": "bob" })).status).toBe(403);
  expect((await answer(service, hs256, "/", { "On-Behalf-Of": "a|b" })).status).toBe(400);
});

let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let jwk: JWK;

beforeAll(async () => {
  pair = await generateKeyPair("RS256", { extractable: true });
  jwk = { ...(await exportJWK(pair.publicKey)), kid: "one", alg: "RS256", use: "sig" };
});

const rs256 = (kid: string, key = pair.privateKey) =>
  new SignJWT(good).setProtectedHeader({ alg: "RS256", kid }).sign(key);

function issuerWith(keys: () => JWK[] | undefined) {
  let atMs = now.getTime();
  let fetches = 0;
  const fetchKeys = async () => {
    fetches += 1;
    const known = keys();
    return known === undefined
      ? new Response("down", { status: 500 })
      : Response.json({ keys: known });
  };
  const moving = { wall: () => new Date(atMs) };
  const url = "https://issuer.example/jwks";
  const jwks = createJwks({ url, clock: moving, logger: silentLogger, fetch: fetchKeys });
  return {
    auth: createAuth({ keys: { jwks }, ...expected, clock }),
    later: (ms: number) => {
      atMs += ms;
    },
    fetches: () => fetches,
  };
}

test("B16: with an issuer's keys, HS256 signed with the public key is 401", async () => {
  const { auth } = issuerWith(() => [jwk]);
  expect((await answer(await rs256("one"), auth)).status).toBe(200);
  const pem = new TextEncoder().encode(await exportSPKI(pair.publicKey));
  await expectRefused(await answer(signed(good, { alg: "HS256", kid: "one" }, pem), auth));
  await expectRefused(await answer(unsigned({ alg: "none", kid: "one" }), auth));
});

test("B16: a storm of unknown key ids fetches the keys once a minute", async () => {
  const issuer = issuerWith(() => [jwk]);
  for (let index = 0; index < 50; index += 1) {
    await expectRefused(await answer(await rs256(`unknown-${index}`), issuer.auth));
  }
  expect(issuer.fetches()).toBe(1);
});

test("B17: a new key works within a minute, a removed one stops, an issuer that is down keeps a day", async () => {
  const next = await generateKeyPair("RS256", { extractable: true });
  const nextJwk = { ...(await exportJWK(next.publicKey)), kid: "two", alg: "RS256", use: "sig" };
  let keys: JWK[] | undefined = [jwk];
  const issuer = issuerWith(() => keys);
  expect((await answer(await rs256("one"), issuer.auth)).status).toBe(200);
  keys = [nextJwk];
  await expectRefused(await answer(await rs256("two", next.privateKey), issuer.auth));
  issuer.later(60_000);
  expect((await answer(await rs256("two", next.privateKey), issuer.auth)).status).toBe(200);
  await expectRefused(await answer(await rs256("one"), issuer.auth));
  keys = undefined;
  issuer.later(23 * 3_600_000);
  expect((await answer(await rs256("two", next.privateKey), issuer.auth)).status).toBe(200);
  issuer.later(2 * 3_600_000);
  expect((await answer(await rs256("two", next.privateKey), issuer.auth)).status).toBe(503);
});

test("B17: keys are not fetched over plain http from elsewhere", () => {
  const url = "http://issuer.example/jwks";
  expect(() => createJwks({ url, clock, logger: silentLogger })).toThrow("https");
});
