/**
 * Is a webhook Stripe's, of now, and for us? The signature is over the raw bytes, by one of the
 * secrets in rotation; the platform's endpoint and the one for connected accounts have secrets of
 * their own, so each says whose events may come by it.
 */
import Stripe from "stripe";
import type { RefusedWebhook, VerifiedWebhook, WebhookFault } from "../../provider.ts";
import { readSigned } from "../signed-webhook.ts";
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
/** The SDK is told not to look at the time: it takes the future, and says "signature" of what is old. */
const anyAge = 0;

export function createWebhooks(options: WebhookOptions) {
  return {
    verifyWebhook: async (
      bytes: Uint8Array,
      headers: Headers,
    ): Promise<VerifiedWebhook | RefusedWebhook> => {
      const header = headers.get(signatureHeader) ?? "";
      const time = timeOf(header);
      const signers = time === undefined ? [] : await signersOf(bytes, header, options);
      const signedSeconds = signers.length === 0 ? undefined : time;
      const signed = { bytes, signedSeconds, wall: options.client.clock.wall() };
      const read = readSigned(signed, readEvent);
      if ("refused" in read) return read;
      const fault = endpointFault(read.event, signers);
      return fault === undefined ? webhookOf(read.event) : { refused: fault };
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
  { sdk }: StripeClient,
): Promise<boolean> {
  const { bytes, header, secret } = signed;
  const { signature } = sdk.webhooks;
  if (signature === null) throw new Error("the SDK cannot verify signatures");
  try {
    return await signature.verifyHeaderAsync(bytes, header, secret, anyAge);
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}

/** Undefined unless one time stands there, as Stripe writes it: the SDK may read another than we do. */
function timeOf(header: string): number | undefined {
  const times = header.split(",").filter((item) => item.split("=")[0]?.trim() === "t");
  const seconds = times.length === 1 ? /^t=([1-9]\d{0,11})$/.exec(times[0] ?? "")?.[1] : undefined;
  return seconds === undefined ? undefined : Number(seconds);
}

/** An endpoint tells only of its own kind, in our version, and of an account only what it is. */
function endpointFault(event: EventBody, signers: readonly Endpoint[]): WebhookFault | undefined {
  const { account, version, subject } = event;
  const endpoint: Endpoint = account === "" ? "platform" : "connect";
  if (!signers.includes(endpoint)) return "endpoint";
  if (version !== undefined && version !== apiVersion) return "version";
  const another = account !== "" && subject.object === "account" && subject.id !== account;
  return another ? "account" : undefined;
}
