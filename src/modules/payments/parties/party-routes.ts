/**
 * Parties and where their money goes: PUT /v1/parties/:id, payout methods. A party is its own
 * subject's business, or an admin's. A service that has to do with it has a profile and methods of
 * its own for it, which hold for escrows that service created: it cannot move money of another's.
 * What is told of a party is sealed with its key.
 */

import { type Context, Hono } from "hono";
import { z } from "zod";
import { CreatePayoutMethodRequestSchema, PutPartyRequestSchema } from "#gen/payments/v1/http_pb";
import { hashFields } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database, Queryable } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import { items } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import { partyPattern } from "#platform/http/path-id";
import { HttpProblem, notFound, unavailable } from "#platform/http/problem";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import { countryChanged } from "../holdings/watch-holdings.ts";
import type { AccountRequest, ProviderAccount, Providers } from "../provider.ts";
import { type PartyAccess, type PartyStanding, scopeOf } from "./party-access.ts";
import { methodAnswer, methodView, type PayoutMethodRow, payoutMethods } from "./payout-methods.ts";

const partyAnswer = () => z.object({ partyId: z.string() });

export interface PartyRouteOptions {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly providers: Providers;
  readonly clock: Clock;
  readonly access: PartyAccess;
}

export function createPartyRoutes(options: PartyRouteOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.put(
    "/v1/parties/:id",
    documented({
      summary: "A party's profile; sealed with its key.",
      body: PutPartyRequestSchema,
      answers: { 200: partyAnswer },
    }),
    async (c) => {
      const caller = await callerOf(c, options, [
        "self",
        "operator",
        "keeper",
        "service",
        "registrar",
      ]);
      const { email, name, country } = toMessage(PutPartyRequestSchema, await readJson(c.req.raw));
      await saveProfile(options, caller, JSON.stringify({ email, name, country }));
      return c.json({ partyId: caller.partyId });
    },
  );
  app.post(
    "/v1/parties/:id/payout-methods",
    documented({
      summary:
        "Where a seller's money goes. One at each provider: another account takes the former's place.",
      body: CreatePayoutMethodRequestSchema,
      answers: { 201: methodAnswer },
    }),
    async (c) => {
      const caller = await callerOf(c, options, ["self", "operator", "keeper", "service"]);
      const body = toMessage(CreatePayoutMethodRequestSchema, await readJson(c.req.raw));
      const provider = providerOf(body.provider, options.providers);
      if (body.account !== "" && !caller.mayVouch) {
        throw new HttpProblem("ROLE_REQUIRED", "An account is named by a service or an admin.", {
          field: "account",
        });
      }
      const known = await knownMethod(options.db, caller, provider);
      if (known !== undefined && !caller.mayChange && known.status === "READY") {
        return c.json(methodView(known), 201);
      }
      // Asked again it is the same account, with a new link to where it is completed.
      const asked = caller.mayChange ? body.account || known?.account_id : known?.account_id;
      const { partyId, serviceId } = caller;
      const request = { ...body, partyId, serviceId, account: asked ?? body.account };
      if (body.account !== "" && !caller.mayChange) {
        await refuseForeign(options.db, caller, provider, body.account);
      }
      const account = await openAccount(options, provider, request);
      const method =
        known !== undefined && !caller.mayChange
          ? known
          : await saveMethod(options, caller, provider, account);
      return c.json({ ...methodView(method), ...onboardingView(account) }, 201);
    },
  );
  app.get(
    "/v1/parties/:id/payout-methods",
    documented({
      summary: "Where a seller's money goes, and what a provider still asks for.",
      answers: { 200: items(methodAnswer) },
    }),
    async (c) => {
      const readers = ["self", "operator", "keeper", "service", "reader"] as const;
      const { partyId, serviceId, seesAll } = await callerOf(c, options, readers);
      const rows = await payoutMethods(options.db, { partyId, serviceId, seesAll });
      return c.json({ items: rows.map(methodView) });
    },
  );
  return app;
}

/** Where only one is set up it need not be named. */
function providerOf(named: string, providers: Providers): string {
  const [only, ...others] = [...providers.keys()];
  if (named !== "" || only === undefined || others.length > 0) return named;
  return only;
}

interface Caller {
  readonly partyId: string;
  readonly subject: string;
  /** The party itself or an admin: what is there already may be changed. */
  readonly mayChange: boolean;
  /** In whose escrows alone his word counts; "" in all. */
  readonly serviceId: string;
  /** What others registered too. */
  readonly seesAll: boolean;
  /** May name an account that exists already as the party's. */
  readonly mayVouch: boolean;
}

async function callerOf(
  c: Context<HttpEnv>,
  { access }: PartyRouteOptions,
  standings: readonly PartyStanding[],
): Promise<Caller> {
  const partyId = c.req.param("id") ?? "";
  const principal = c.get("principal");
  if (!partyPattern.test(partyId)) throw notFound();
  const standing = await access.standing(partyId, principal);
  if (standing === undefined || !standings.includes(standing)) throw notFound();
  const { subject } = principal;
  const mayChange = standing === "self" || standing === "operator";
  const seesAll = mayChange || standing === "reader";
  const serviceId = scopeOf(standing, subject);
  return { partyId, subject, mayChange, serviceId, seesAll, mayVouch: standing !== "self" };
}

async function saveProfile(
  { db, keyring, clock }: PartyRouteOptions,
  { partyId, subject, serviceId }: Caller,
  profile: string,
): Promise<void> {
  const { keyId, ciphertext } = await keyring.seal(partyId, profile);
  await db.sql`
    INSERT INTO payments.party (party_id, service_id, key_id, ciphertext, registered_by, updated_at)
    VALUES (${partyId}, ${serviceId}, ${keyId}, ${ciphertext}, ${subject}, ${clock.now()})
    ON CONFLICT (party_id, service_id) DO UPDATE SET
      key_id = excluded.key_id, ciphertext = excluded.ciphertext,
      registered_by = excluded.registered_by, updated_at = excluded.updated_at`;
  await countryChanged(db, partyId);
}

/** The one in the caller's own scope; a service meets it again as it is. */
async function knownMethod(
  db: Queryable,
  { partyId, serviceId }: Caller,
  provider: string,
): Promise<PayoutMethodRow | undefined> {
  const own = await payoutMethods(db, { partyId, serviceId, seesAll: false });
  return own.find((method) => method.provider === provider);
}

function accountTaken(): HttpProblem {
  return new HttpProblem("ACCOUNT_TAKEN", "The account is another party's.", { field: "account" });
}

/** A service does not get at an account that others brought, not even for the same party. */
async function refuseForeign(
  db: Database,
  { partyId, serviceId }: Caller,
  provider: string,
  account: string,
): Promise<void> {
  const [other] = await db.sql`
    SELECT FROM payments.payout_method WHERE provider = ${provider} AND account_id = ${account}
      AND (party_id <> ${partyId} OR service_id <> ${serviceId}) LIMIT 1`;
  if (other !== undefined) throw accountTaken();
}

async function openAccount(
  { providers }: PartyRouteOptions,
  name: string,
  request: AccountRequest,
): Promise<ProviderAccount> {
  const provider = providers.get(name);
  if (provider === undefined) {
    throw new HttpProblem("PROVIDER_UNSUPPORTED", "There is no such provider.", {
      field: "provider",
    });
  }
  const outcome = await provider.createAccount(request);
  if (outcome.kind === "succeeded") return outcome.value;
  if (outcome.kind === "refused") {
    throw new HttpProblem("PROVIDER_REFUSED", `The account is refused: ${outcome.detail}.`);
  }
  throw unavailable({}, "The provider did not answer: try again.");
}

async function saveMethod(
  { db, clock }: PartyRouteOptions,
  caller: Caller,
  provider: string,
  { objectId, status, requirementsDue }: ProviderAccount,
): Promise<PayoutMethodRow> {
  const { partyId, subject, serviceId, mayChange } = caller;
  const now = clock.now();
  const id = `pm_${hashFields(provider, partyId, serviceId).slice(0, 32)}`;
  return db.withTx(async (tx) => {
    const [ours] = await tx.sql`
      INSERT INTO payments.payout_account AS a (provider, account_id, party_id)
      VALUES (${provider}, ${objectId}, ${partyId})
      ON CONFLICT (provider, account_id) DO UPDATE SET party_id = a.party_id
      WHERE a.party_id = excluded.party_id RETURNING party_id`;
    if (ours === undefined) throw accountTaken();
    // The account is known from here on: its webhooks are ours.
    await tx.sql`
      INSERT INTO payments.provider_object (provider, object_id, kind, party_id, sync_due_at)
      VALUES (${provider}, ${objectId}, 'account', ${partyId}, ${now})
      ON CONFLICT (provider, object_id) DO UPDATE SET
        kind = 'account', party_id = excluded.party_id, sync_due_at = excluded.sync_due_at`;
    const [saved] = await tx.sql`
      INSERT INTO payments.payout_method AS m (payout_method_id, party_id, provider, account_id,
        status, requirements_due, service_id, registered_by, created_at, updated_at)
      VALUES (${id}, ${partyId}, ${provider}, ${objectId}, ${status},
        ${requirementsDue}::text[], ${serviceId}, ${subject}, ${now}, ${now})
      ON CONFLICT (party_id, provider, service_id) DO UPDATE SET
        registered_by = excluded.registered_by, account_id = excluded.account_id, status = excluded.status, requirements_due = excluded.requirements_due,
        updated_at = excluded.updated_at
      WHERE ${mayChange}::boolean
      RETURNING payout_method_id`;
    const method = await knownMethod(tx, caller, provider);
    // Made by the same service a moment ago.
    if (saved === undefined || method === undefined) throw notFound();
    return method;
  });
}

/** The provider's page where the account is completed, while it is good. */
function onboardingView({ onboardingUrl, onboardingExpiresAt }: ProviderAccount) {
  return {
    ...(onboardingUrl !== undefined && { onboardingUrl }),
    ...(onboardingExpiresAt !== undefined && { expiresAt: onboardingExpiresAt.toISOString() }),
  };
}
