/**
 * GET and DELETE /v1/api-keys, for admins who came with a token; and POST, where the command line
 * has no other way to the data. Elsewhere keys are made by whoever runs the system: an admin who
 * could make them over HTTP could be anybody.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { CreateApiKeyRequestSchema } from "#gen/platform/v1/http_pb";
import { parseDuration } from "#kernel/duration";
import type { HttpEnv, Principal } from "../module.ts";
import type { ApiKey, ApiKeys } from "./api-keys.ts";
import { readJson, toMessage } from "./body.ts";
import { instant, items } from "./openapi/answers.ts";
import { documented } from "./openapi/documented.ts";
import { idOf } from "./path-id.ts";
import { HttpProblem, notFound } from "./problem.ts";

const keyAnswer = () =>
  z.object({
    id: z.string(),
    prefix: z.string(),
    name: z.string(),
    subject: z.string(),
    roles: z.array(z.string()),
    scopes: z.array(z.string()),
    createdBy: z.string(),
    createdAt: instant(),
    expiresAt: instant(),
    lastUsedAt: instant().optional(),
    revokedAt: instant().optional(),
  });
const newKey = () => keyAnswer().extend({ key: z.string().describe("Shown this once.") });

const dayMs = 86_400_000n;
const usualMs = 365n * dayMs;
const mostMs = 731n * dayMs;

export interface ApiKeyRoutesOptions {
  readonly keys: ApiKeys;
  /** The data is in this process's hands alone. */
  readonly embedded: boolean;
}

export function createApiKeyRoutes({ keys, embedded }: ApiKeyRoutesOptions): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .post(
      "/v1/api-keys",
      documented({
        summary: "Make an API key; it is shown once.",
        roles: ["admin"],
        body: CreateApiKeyRequestSchema,
        answers: { 201: newKey },
      }),
      async (c) => {
        const admin = adminOf(c);
        if (!embedded) {
          throw new HttpProblem(
            "ROLE_REQUIRED",
            "Keys are made by `app keys create`, beside the data.",
          );
        }
        const body = toMessage(CreateApiKeyRequestSchema, await readJson(c.req.raw));
        const { key, secret } = await keys.create({
          ...body,
          roles: body.roles.length > 0 ? body.roles : ["service"],
          createdBy: admin.subject,
          lifetimeMs: lifetimeOf(body.expiresIn),
        });
        return c.json({ ...view(key), key: secret }, 201);
      },
    )
    .get(
      "/v1/api-keys",
      documented({
        summary: "All API keys, without their secrets.",
        roles: ["admin"],
        answers: { 200: items(keyAnswer) },
      }),
      async (c) => {
        adminOf(c);
        return c.json({ items: (await keys.list()).map(view) });
      },
    )
    .delete(
      "/v1/api-keys/:id",
      documented({ summary: "Revoke a key.", roles: ["admin"], answers: { 200: keyAnswer } }),
      async (c) => {
        adminOf(c);
        const key = await keys.revoke(idOf(c.req.param("id")));
        if (key === undefined) throw notFound();
        return c.json(view(key));
      },
    );
}

function adminOf(c: Context<HttpEnv>): Principal {
  const principal = c.get("principal");
  if (principal.keyId === undefined) return principal;
  throw new HttpProblem("SCOPE_REQUIRED", "Keys are managed with a token, not with a key.");
}

function lifetimeOf(text: string): number {
  const ms = text === "" ? usualMs : (parseDuration(text) ?? 0n);
  if (ms > 0n && ms <= mostMs) return Number(ms);
  const detail = "A duration above 0 and up to two years, such as P90D.";
  throw new HttpProblem("INVALID_DURATION", detail, { field: "expiresIn" });
}

function view({ createdAt, expiresAt, lastUsedAt, revokedAt, ...key }: ApiKey) {
  return {
    ...key,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() }),
    ...(revokedAt && { revokedAt: revokedAt.toISOString() }),
  };
}
