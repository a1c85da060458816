/** `app keys`: makes, lists and revokes API keys, through the server that holds the data where one runs. */
import { CreateApiKeyRequestSchema } from "#gen/platform/v1/http_pb";
import { parseDuration } from "#kernel/duration";
import type { ApiKey } from "#platform/http/api-keys";
import { toMessage } from "#platform/http/body";
import { notFound } from "#platform/http/problem";
import type { Config } from "../config.ts";
import { askOrOpen } from "./ask-or-open.ts";
import { ExitError } from "./exit.ts";
import { checked } from "./usage.ts";

export interface KeyOptions {
  readonly name?: string;
  readonly sub?: string;
  readonly role: readonly string[];
  readonly scope: readonly string[];
  readonly expires: string;
}

type Shown = Pick<ApiKey, "id" | "prefix" | "name" | "subject" | "roles" | "scopes"> & {
  readonly expiresAt: Date | string;
  readonly revokedAt?: Date | string | undefined;
};

export async function runKeys(
  config: Config,
  action: string,
  id: string | undefined,
  options: KeyOptions,
): Promise<void> {
  if (action === "create") return createKey(config, options);
  if (action === "revoke" && id !== undefined) return revokeKey(config, id);
  if (action !== "list") throw new ExitError(2, "expected create, list, or revoke ID");
  const { items } = await askOrOpen<{ items: readonly Shown[] }>(config, {
    method: "GET",
    path: "/v1/api-keys",
    here: async ({ apiKeys }) => ({ items: await apiKeys.list() }),
  });
  // Not on stdout: a script counts its lines.
  if (items.length === 0) process.stderr.write("there are no keys: `app keys create` makes one\n");
  for (const key of items) process.stdout.write(`${line(key)}\n`);
}

async function createKey(config: Config, options: KeyOptions): Promise<void> {
  const { sub: subject, name = subject, role, scope: scopes, expires: expiresIn } = options;
  const lifetimeMs = Number(parseDuration(expiresIn) ?? 0n);
  const lacks = [
    ...(subject ? [] : ["--sub SUBJECT"]),
    ...(scopes.length > 0 ? [] : ["--scope SCOPE"]),
    ...(lifetimeMs > 0 ? [] : ["--expires with a duration such as P90D"]),
  ];
  if (!subject || !name || lacks.length > 0) {
    throw new ExitError(2, `keys create needs ${lacks.join(", ") || "a --name that is not empty"}`);
  }
  if (config.MEMORY) throw new ExitError(2, "keys create: a key in memory would be gone at once");
  const roles = role.length > 0 ? role : ["service"];
  const body = { name, subject, roles, scopes, expiresIn };
  checked(() =>
    toMessage(CreateApiKeyRequestSchema, { ...body, roles: [...roles], scopes: [...scopes] }),
  );
  const { key } = await askOrOpen(config, {
    path: "/v1/api-keys",
    body,
    here: async ({ apiKeys }) => {
      const wanted = { name, subject, roles, scopes, createdBy: "command-line", lifetimeMs };
      return { key: (await apiKeys.create(wanted)).secret };
    },
  });
  // The key alone, so that a script can keep it; nothing shows it again.
  process.stdout.write(`${key}\n`);
}

async function revokeKey(config: Config, id: string): Promise<void> {
  const key = await askOrOpen<Shown>(config, {
    method: "DELETE",
    path: `/v1/api-keys/${encodeURIComponent(id)}`,
    here: async ({ apiKeys }) => {
      const revoked = await apiKeys.revoke(id);
      if (revoked === undefined) throw notFound();
      return revoked;
    },
  });
  process.stdout.write(`${line(key)}\n`);
}

function line({ id, prefix, name, subject, roles, scopes, expiresAt, revokedAt }: Shown): string {
  const state = revokedAt === undefined ? `expires ${instant(expiresAt)}` : "revoked";
  return [id, prefix, name, subject, roles.join(","), scopes.join(","), state].join("  ");
}

function instant(at: Date | string): string {
  return typeof at === "string" ? at : at.toISOString();
}
