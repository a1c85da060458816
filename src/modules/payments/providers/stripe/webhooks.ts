/**
 * Is a webhook Stripe's, of now, and for us? The signature is over the raw bytes, by one of the
 * secrets in rotation; the platform's endpoint and the one for connected accounts have secrets of
 * their own, so each says whose events may come by it.
 */
import Stripe from "stripe";
import type { VerifiedWebhook } from "../../provider.ts";
import { apiVersion, type StripeClient } from "./client.ts";
import { type EventBody, readEvent } from "./events.ts";

export interface WebhookSecrets {
  /** Of the endpoint for our own account's events. */
  readonly platform: readonly string[];
  /** Of the endpoint for connected accounts' events. */
  readonly connect: readonly string[];
}

export interface WebhookOptions {
  readonly client: StripeClient;
  readonly secrets: WebhookSecrets;
}

export const signatureHeader = "stripe-signature";
/** The SDK refuses what is older, but takes what is signed for the future. */
const toleranceSeconds = 300;

export function createWebhooks(options: WebhookOptions) {
  return {
    verifyWebhook: async (
      bytes: Uint8Array,
      headers: Headers,
    ): Promise<VerifiedWebhook | undefined> => {
      const header = headers.get(signatureHeader);
      if (header === null || !isOfNow(header, options.client.clock.wall())) return undefined;
      const signed = await signersOf(bytes, header, options);
      if (signed.length === 0) return undefined;
      const event = readEvent(parsed(bytes));
      if (event === undefined || !isForUs(event, signed)) return undefined;
      return webhookOf(event);
    },
  };
}

export function webhookOf(event: EventBody): VerifiedWebhook {
  const { id, type, objectId, createdMs, livemode, account } = event;
  return { eventId: id, type, objectId, createdAt: new Date(createdMs), livemode, account };
}

type Endpoint = keyof WebhookSecrets;

/** Every endpoint with a secret that signed these bytes: two may share one. */
async function signersOf(
  bytes: Uint8Array,
  header: string,
  { client, secrets }: WebhookOptions,
): Promise<readonly Endpoint[]> {
  const signers: Endpoint[] = [];
  for (const endpoint of ["platform", "connect"] as const) {
    for (const secret of secrets[endpoint]) {
      if (await isSigned({ bytes, header, secret }, client)) signers.push(endpoint);
    }
  }
  return signers;
}

async function isSigned(
  signed: { readonly bytes: Uint8Array; readonly header: string; readonly secret: string },
  { sdk, clock }: StripeClient,
): Promise<boolean> {
  const { bytes, header, secret } = signed;
  const { signature } = sdk.webhooks;
  if (signature === null) throw new Error("the SDK cannot verify signatures");
  try {
    const at = clock.wall().getTime();
    return await signature.verifyHeaderAsync(
      bytes,
      header,
      secret,
      toleranceSeconds,
      undefined,
      at,
    );
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}

/** The header's last time counts, for the SDK too. */
function isOfNow(header: string, wall: Date): boolean {
  const times = [...header.matchAll(/(?:^|,)t=(\d{1,12})(?=,|$)/g)];
  const seconds = times.at(-1)?.[1];
  if (seconds === undefined) return false;
  return Math.abs(wall.getTime() / 1_000 - Number(seconds)) <= toleranceSeconds;
}

/** An endpoint tells only of its own kind, in our version, and of an account only what it is. */
function isForUs(event: EventBody, signed: readonly Endpoint[]): boolean {
  const { account, version, subject } = event;
  const endpoint: Endpoint = account === "" ? "platform" : "connect";
  if (!signed.includes(endpoint)) return false;
  if (version !== undefined && version !== apiVersion) return false;
  return account === "" || subject.object !== "account" || subject.id === account;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
