/** `app keys`: makes, lists and revokes API keys, through the server that holds the data where one runs. */
import type { JsonObject } from "@bufbuild/protobuf";
import { CreateApiKeyRequestSchema } from "#gen/platform/v1/http_pb";
import { parseDuration } from "#kernel/duration";
import type { ApiKey } from "#platform/http/api-keys";
import { toMessage } from "#platform/http/body";
import { HttpProblem } from "#platform/http/problem";
import type { Config } from "../config.ts";
import { askServer } from "./ask-server.ts";
import { ExitError } from "./exit.ts";
import { withApplication } from "./with-application.ts";

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
  const asked = await askServer<{ items: Shown[] }>(config, "/v1/api-keys", { method: "GET" });
  const keys = asked?.items ?? (await withApplication(config, ({ apiKeys }) => apiKeys.list()));
  for (const key of keys) process.stdout.write(`${line(key)}\n`);
}

async function createKey(config: Config, options: KeyOptions): Promise<void> {
  const { sub: subject, name = subject, role, scope: scopes, expires: expiresIn } = options;
  const lifetimeMs = Number(parseDuration(expiresIn) ?? 0n);
  if (!subject || !name || scopes.length === 0 || lifetimeMs <= 0) {
    throw new ExitError(2, "keys create needs --sub, --scope and a duration such as P90D");
  }
  if (config.MEMORY) throw new ExitError(2, "keys create: a key in memory would be gone at once");
  const roles = role.length > 0 ? role : ["service"];
  const body = { name, subject, roles, scopes, expiresIn };
  refuseWrong({ ...body, roles: [...roles], scopes: [...scopes] });
  const asked = await askServer<{ key: string }>(config, "/v1/api-keys", { method: "POST", body });
  const made = () =>
    withApplication(config, ({ apiKeys }) =>
      apiKeys.create({ name, subject, roles, scopes, createdBy: "command-line", lifetimeMs }),
    );
  // The key alone, so that a script can keep it; nothing shows it again.
  process.stdout.write(`${asked?.key ?? (await made()).secret}\n`);
}

/** The same rules as the server's, where none runs. */
function refuseWrong(body: JsonObject): void {
  try {
    toMessage(CreateApiKeyRequestSchema, body);
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw error;
    throw new ExitError(2, `keys create: ${error.field ?? ""}: ${error.message}`);
  }
}

async function revokeKey(config: Config, id: string): Promise<void> {
  const path = `/v1/api-keys/${encodeURIComponent(id)}`;
  const key =
    (await askServer<Shown>(config, path, { method: "DELETE" })) ??
    (await withApplication(config, ({ apiKeys }) => apiKeys.revoke(id)));
  if (key === undefined) throw new ExitError(1, `there is no key ${id}`);
  process.stdout.write(`${line(key)}\n`);
}

function line({ id, prefix, name, subject, roles, scopes, expiresAt, revokedAt }: Shown): string {
  const state = revokedAt === undefined ? `expires ${instant(expiresAt)}` : "revoked";
  return [id, prefix, name, subject, roles.join(","), scopes.join(","), state].join("  ");
}

function instant(at: Date | string): string {
  return typeof at === "string" ? at : at.toISOString();
}
