/**
 * Sellers' accounts: made by onboarding at Stripe, or given by one who may vouch for them. Whether
 * a seller can be paid is read from the transfers capability, never from "onboarding finished".
 */
import type Stripe from "stripe";
import { sha256Hex } from "#kernel/ids";
import type { AccountRequest, Outcome, ProviderAccount } from "../../provider.ts";
import type { Ask, StripeClient } from "./client.ts";
import { fromSeconds } from "./times.ts";

export function createAccounts({ client }: { readonly client: StripeClient }) {
  const { sdk } = client;
  return {
    createAccount: (request: AccountRequest): Promise<Outcome<ProviderAccount>> =>
      client.call(async (ask) => {
        const account = await openOrRead(sdk, request, ask);
        const link = await onboarding(sdk, account, request, ask);
        return {
          ...accountOf(account),
          partyId: request.partyId,
          onboardingUrl: link?.url,
          onboardingExpiresAt: link && fromSeconds(link.expires_at, client.clock),
        };
      }),
    getAccount: (objectId: string): Promise<Outcome<ProviderAccount>> =>
      client.read(async (ask) =>
        accountOf(await ask((timeout) => sdk.accounts.retrieve(objectId, {}, timeout))),
      ),
  };
}

async function openOrRead(
  sdk: Stripe,
  { partyId, serviceId, account }: AccountRequest,
  ask: Ask,
): Promise<Stripe.Account> {
  if (account !== "") {
    return ask((timeout) => sdk.accounts.retrieve(account, {}, timeout));
  }
  const params: Stripe.AccountCreateParams = {
    controller: {
      fees: { payer: "application" },
      losses: { payments: "application" },
      requirement_collection: "stripe",
      stripe_dashboard: { type: "express" },
    },
    capabilities: { transfers: { requested: true } },
    metadata: { partyId },
  };
  // Asked twice, by an impatient click or after a lost answer, it is one account; asked by another
  // service it is another one, or the second would be handed the page where the first's is completed.
  const whose = serviceId === "" ? partyId : JSON.stringify([partyId, serviceId]);
  const idempotencyKey = `account.${sha256Hex(whose)}`;
  return ask((timeout) => sdk.accounts.create(params, { ...timeout, idempotencyKey }));
}

/** A page of Stripe's, good for some minutes; for who is ready there is nothing to do there. */
async function onboarding(
  sdk: Stripe,
  account: Stripe.Account,
  { returnUrl, refreshUrl }: AccountRequest,
  ask: Ask,
): Promise<Stripe.AccountLink | undefined> {
  const open = account.requirements?.currently_due?.length !== 0 || !account.details_submitted;
  if (!open || returnUrl === "" || refreshUrl === "") return undefined;
  const params = {
    account: account.id,
    type: "account_onboarding",
    return_url: returnUrl,
    refresh_url: refreshUrl,
  } as const;
  return ask((timeout) => sdk.accountLinks.create(params, timeout));
}

export function accountOf(account: Stripe.Account): ProviderAccount {
  const { currently_due: due, past_due: late } = account.requirements ?? {};
  return {
    kind: "account",
    objectId: account.id,
    partyId: account.metadata?.partyId ?? "",
    status: statusOf(account),
    requirementsDue: [...new Set([...(due ?? []), ...(late ?? [])])].sort(),
    onboardingUrl: undefined,
  };
}

function statusOf(account: Stripe.Account): ProviderAccount["status"] {
  const { requirements, capabilities, details_submitted: submitted } = account;
  const reason = requirements?.disabled_reason ?? "";
  if (reason.startsWith("rejected.")) return "REJECTED";
  if (capabilities?.transfers === "active") return "READY";
  const late = (requirements?.past_due?.length ?? 0) > 0;
  return submitted && (late || reason !== "") ? "RESTRICTED" : "PENDING";
}
