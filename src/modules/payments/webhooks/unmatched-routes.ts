/**
 * POST /v1/providers/:name/objects/acknowledge: an operator has looked at what a provider told of and
 * is nothing of ours, and says why it may be left alone.
 */
import { create } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { AcknowledgeObjectSchema, type Command } from "#gen/payments/v1/commands_pb";
import { AcknowledgeObjectRequestSchema } from "#gen/payments/v1/http_pb";
import type { Database } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import { documented } from "#platform/http/openapi/documented";
import { commandHeaders } from "#platform/http/openapi/headers";
import { notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import type { Providers } from "../provider.ts";
import type { CommandSender } from "../send-command.ts";
import { isKnown } from "./unmatched.ts";

export interface UnmatchedRouteOptions {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly providers: Providers;
  readonly commands: CommandSender;
}

export function createUnmatchedRoutes(options: UnmatchedRouteOptions): Hono<HttpEnv> {
  const { db, keyring, providers, commands } = options;
  const app = new Hono<HttpEnv>();
  app.post(
    "/v1/providers/:name/objects/acknowledge",
    documented({
      summary: "An object of the provider that is nothing of ours was looked at.",
      roles: ["admin"],
      body: AcknowledgeObjectRequestSchema,
      headers: commandHeaders,
      answers: {},
      command: true,
    }),
    async (c) => {
      const provider = c.req.param("name");
      if (!providers.has(provider)) throw notFound();
      const json = await readJson(c.req.raw);
      const wish = toMessage(AcknowledgeObjectRequestSchema, json);
      const { objectId, reason: text } = wish;
      if (!(await isKnown(db, { provider, objectId }))) throw notFound();
      const reason = await keyring.seal(c.get("principal").subject, text);
      const value = create(AcknowledgeObjectSchema, {
        objectId,
        reason,
        signals: BigInt(wish.signals),
      });
      const body: Command["body"] = { case: "acknowledgeObject", value };
      return commands.send(c, { json, escrowId: provider, body });
    },
  );
  return app;
}
