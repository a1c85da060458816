/**
 * Parties and where their money goes: PUT /v1/parties/:id, payout methods. A party is its own
 * subject's business (or a service's, an admin's); what it tells of itself is sealed with its key.
 */
import { type Context, Hono } from "hono";
import { CreatePayoutMethodRequestSchema, PutPartyRequestSchema } from "#gen/payments/v1/http_pb";
import { hashFields } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database";
import { readJson, toMessage } from "#platform/http/body";
import { HttpProblem, notFound, unavailable } from "#platform/http/problem";
import type { Keyring } from "#platform/keyring";
import type { HttpEnv } from "#platform/module";
import type { ProviderAccount, Providers } from "./provider.ts";

export interface PartyRouteOptions {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly providers: Providers;
  readonly clock: Clock;
}

interface PayoutMethodRow {
  readonly payout_method_id: string;
  readonly provider: string;
  readonly status: string;
  readonly requirements_due: readonly string[];
}

const partyPattern = /^[A-Za-z0-9_.@:-]{1,128}$/;

export function createPartyRoutes(options: PartyRouteOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.put("/v1/parties/:id", async (c) => {
    const partyId = ownParty(c);
    const { email, name, country } = toMessage(PutPartyRequestSchema, await readJson(c.req.raw));
    await saveProfile(options, partyId, JSON.stringify({ email, name, country }));
    return c.json({ partyId });
  });
  app.post("/v1/parties/:id/payout-methods", async (c) => {
    const partyId = ownParty(c);
    const body = toMessage(CreatePayoutMethodRequestSchema, await readJson(c.req.raw));
    const account = await openAccount(options, partyId, body.provider || "sandbox");
    const method = await saveMethod(options, partyId, body.provider || "sandbox", account);
    const { onboardingUrl } = account;
    return c.json({ ...methodView(method), ...(onboardingUrl && { onboardingUrl }) }, 201);
  });
  app.get("/v1/parties/:id/payout-methods", async (c) => {
    const rows = await options.db.sql<PayoutMethodRow>`
      SELECT payout_method_id, provider, status, requirements_due FROM payments.payout_method
      WHERE party_id = ${ownParty(c, "auditor")} ORDER BY created_at, payout_method_id`;
    return c.json({ items: rows.map(methodView) });
  });
  return app;
}

function ownParty(c: Context<HttpEnv>, ...also: readonly string[]): string {
  const partyId = c.req.param("id") ?? "";
  const { subject, onBehalfOf, roles } = c.get("principal");
  const rights = ["admin", "service", ...also].some((role) => roles.includes(role));
  if (partyPattern.test(partyId) && ((onBehalfOf ?? subject) === partyId || rights)) return partyId;
  throw notFound();
}

async function saveProfile(
  { db, keyring, clock }: PartyRouteOptions,
  partyId: string,
  profile: string,
): Promise<void> {
  const { keyId, ciphertext } = await keyring.seal(partyId, profile);
  await db.sql`
    INSERT INTO payments.party (party_id, key_id, ciphertext, updated_at)
    VALUES (${partyId}, ${keyId}, ${ciphertext}, ${clock.now()})
    ON CONFLICT (party_id) DO UPDATE SET
      key_id = excluded.key_id, ciphertext = excluded.ciphertext, updated_at = excluded.updated_at`;
}

async function openAccount(
  { providers }: PartyRouteOptions,
  partyId: string,
  name: string,
): Promise<ProviderAccount> {
  const provider = providers.get(name);
  if (provider === undefined) {
    throw new HttpProblem("PROVIDER_UNSUPPORTED", "There is no such provider.", {
      field: "provider",
    });
  }
  const outcome = await provider.createAccount(partyId);
  if (outcome.kind === "succeeded") return outcome.value;
  if (outcome.kind === "refused") {
    throw new HttpProblem("PROVIDER_REFUSED", "The provider refused the account.");
  }
  throw unavailable({}, "The provider did not answer: try again.");
}

async function saveMethod(
  { db, clock }: PartyRouteOptions,
  partyId: string,
  provider: string,
  { objectId, status, requirementsDue }: ProviderAccount,
): Promise<PayoutMethodRow> {
  const now = clock.now();
  const id = `pm_${hashFields(provider, partyId).slice(0, 32)}`;
  return db.withTx(async (tx) => {
    // The account is known from here on: its webhooks are ours.
    await tx.sql`
      INSERT INTO payments.provider_object (provider, object_id, kind, party_id, sync_due_at)
      VALUES (${provider}, ${objectId}, 'account', ${partyId}, ${now})
      ON CONFLICT (provider, object_id) DO UPDATE SET
        kind = 'account', party_id = excluded.party_id, sync_due_at = excluded.sync_due_at`;
    const [row] = await tx.sql<PayoutMethodRow>`
      INSERT INTO payments.payout_method AS m (payout_method_id, party_id, provider, account_id,
        status, requirements_due, created_at, updated_at)
      VALUES (${id}, ${partyId}, ${provider}, ${objectId}, ${status},
        ${requirementsDue}::text[], ${now}, ${now})
      ON CONFLICT (party_id, provider) DO UPDATE SET
        status = excluded.status, requirements_due = excluded.requirements_due,
        updated_at = excluded.updated_at
      RETURNING payout_method_id, provider, status, requirements_due`;
    if (row === undefined) throw new Error("a payout method was not stored");
    return row;
  });
}

function methodView(row: PayoutMethodRow) {
  return {
    payoutMethodId: row.payout_method_id,
    provider: row.provider,
    status: row.status,
    requirementsDue: row.requirements_due,
  };
}
