/** Is a webhook the sandbox's own, and of now? Which object is it about? */
import { z } from "zod";
import type { RefusedWebhook, VerifiedWebhook } from "../../provider.ts";
import { readSigned } from "../signed-webhook.ts";
import { signatureHeader, signedAt } from "./sign.ts";

const event = z.object({
  id: z.string(),
  type: z.string(),
  created: z.string().pipe(z.coerce.date()),
  data: z.object({ objectId: z.string(), account: z.string().catch("") }),
});

export function readWebhook(
  bytes: Uint8Array,
  headers: Headers,
  { webhookSecrets, wall }: { readonly webhookSecrets: readonly string[]; readonly wall: Date },
): VerifiedWebhook | RefusedWebhook {
  const signedSeconds = signedAt(bytes, headers.get(signatureHeader), webhookSecrets);
  const read = readSigned({ bytes, signedSeconds, wall }, (body) => event.safeParse(body).data);
  if ("refused" in read) return read;
  const { id: eventId, type, created: createdAt, data } = read.event;
  return { eventId, type, createdAt, livemode: false, ...data };
}
