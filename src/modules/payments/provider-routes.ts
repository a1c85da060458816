/**
 * GET /v1/providers and /v1/holdings, POST /v1/providers/:name/stop and /resume: what operators see
 * of providers and how they stop the line. One stops it, two let it go on, and both say why.
 */
import { create } from "@bufbuild/protobuf";
import { type Context, Hono } from "hono";
import { z } from "zod";
import {
  type Command,
  ResumeProviderSchema,
  StopProviderSchema,
} from "#gen/payments/v1/commands_pb";
import { ProviderReasonRequestSchema } from "#gen/payments/v1/http_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import {
  accepted,
  instant,
  items,
  minor,
  money,
  providerBreak,
} from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import { commandHeaders, wishHeaders } from "#platform/http/openapi/headers";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import { type OpenHolding, openHoldings } from "./holdings/open-holdings.ts";
import { type Cover, coverOf, isUncovered } from "./ledger/cover.ts";
import type { Providers } from "./provider.ts";
import { openBreaks } from "./reconciliation/breaks.ts";
import { breakView } from "./reconciliation/reconciler.ts";
import type { CommandSender } from "./send-command.ts";
import { type ProviderStop, stopsOf } from "./stops/provider-stops.ts";

const providerAnswer = () =>
  z.object({
    name: z.string(),
    live: z.boolean().describe("Moves real money."),
    stopped: z
      .object({
        reason: z.string(),
        stoppedBy: z.string(),
        stoppedAt: instant(),
        note: z.string().optional(),
      })
      .nullable()
      .describe("Releases stand still, and why."),
    cover: z.array(
      z.object({
        currency: z.string(),
        clearing: minor(),
        owed: minor(),
        cover: minor(),
        feesToCome: minor().describe(
          "Sellers' fees in `owed`, which the platform keeps at a release.",
        ),
        uncovered: z.boolean().describe("Less lies there than is owed beyond those fees."),
      }),
    ),
    breaks: z.array(providerBreak()),
  });
const holdingAnswer = () =>
  z.object({
    escrowId: z.string(),
    provider: z.string(),
    amount: money(),
    heldSince: instant(),
    limitAt: instant(),
    forced: z.boolean(),
  });

export interface ProviderRouteOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly keyring: Keyring;
  readonly providers: Providers;
  readonly commands: CommandSender;
}

export function createProviderRoutes(options: ProviderRouteOptions): Hono<HttpEnv> {
  const { db, clock, providers, commands } = options;
  const app = new Hono<HttpEnv>();
  app.get(
    "/v1/providers",
    documented({
      summary: "Providers: cover, open breaks, and whether releases stand still.",
      roles: ["admin", "auditor"],
      answers: { 200: items(providerAnswer) },
    }),
    async (c) => {
      const stops = await stopsOf(db);
      const breaks = await openBreaks(db);
      const cover = await coverOf(db);
      const items = await Promise.all(
        [...providers].map(async ([name, provider]) => ({
          name,
          live: provider.describe().live,
          stopped: await stopView(stops.get(name), options),
          cover: cover.filter((row) => row.provider === name).map(coverView),
          breaks: breaks
            .filter((row) => row.provider === name)
            .map((row) => breakView(row, clock.now())),
        })),
      );
      return c.json({ items });
    },
  );
  app.get(
    "/v1/holdings",
    documented({
      summary: "Money held for long, and until when it may be.",
      roles: ["admin", "auditor"],
      answers: { 200: items(holdingAnswer) },
    }),
    async (c) => {
      return c.json({ items: (await openHoldings(db)).map(holdingView) });
    },
  );
  app.post(
    "/v1/providers/:name/stop",
    documented({
      summary: "Stop all releases over this provider.",
      roles: ["admin"],
      body: ProviderReasonRequestSchema,
      headers: commandHeaders,
      answers: {},
      command: true,
    }),
    async (c) => {
      const { provider, reason, json } = await asked(c, options);
      const value = create(StopProviderSchema, { reason });
      return commands.send(c, { json, escrowId: provider, body: { case: "stopProvider", value } });
    },
  );
  app.post(
    "/v1/providers/:name/resume",
    documented({
      summary: "Let releases go on; a second operator approves it.",
      roles: ["admin"],
      body: ProviderReasonRequestSchema,
      headers: wishHeaders,
      answers: { 202: accepted },
    }),
    async (c) => {
      const { provider, reason, json } = await asked(c, options);
      if (!(await stopsOf(db)).has(provider)) {
        throw new HttpProblem("ALREADY_SETTLED", "It is not stopped.");
      }
      const value = create(ResumeProviderSchema, { reason });
      const body: Command["body"] = { case: "resumeProvider", value };
      return commands.ask(c, { json, escrowId: provider, body });
    },
  );
  return app;
}

function coverView(row: Cover) {
  return {
    currency: row.currency,
    clearing: `${row.clearing}`,
    owed: `${row.owed}`,
    cover: `${row.clearing - row.owed}`,
    feesToCome: `${row.feesToCome}`,
    uncovered: isUncovered(row),
  };
}

function holdingView(row: OpenHolding) {
  return {
    escrowId: row.escrow_id,
    provider: row.provider,
    amount: { amount: `${row.amount}`, currency: row.currency },
    heldSince: row.held_since.toISOString(),
    limitAt: row.limit_at.toISOString(),
    // Decided by the terms, as far as a lock or a standing decision lets it.
    forced: row.forced_at !== null,
  };
}

/** The reason is a person's own words: sealed under his name before it goes anywhere. */
async function asked(c: Context<HttpEnv>, { providers, keyring }: ProviderRouteOptions) {
  const principal = c.get("principal");
  const provider = c.req.param("name") ?? "";
  if (!providers.has(provider)) throw notFound();
  const json = await readJson(c.req.raw);
  const { reason } = toMessage(ProviderReasonRequestSchema, json);
  return { provider, json, reason: await keyring.seal(principal.subject, reason) };
}

async function stopView(stop: ProviderStop | undefined, { keyring }: ProviderRouteOptions) {
  if (stop === undefined) return null;
  const { reason, stoppedBy, stoppedAt, note } = stop;
  const text = note === undefined ? undefined : await keyring.open(note);
  return {
    reason,
    stoppedBy,
    stoppedAt: stoppedAt.toISOString(),
    ...(text !== undefined && { note: text }),
  };
}
