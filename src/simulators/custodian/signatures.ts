/** The signatures of docs/custodian-api.md, made and checked here independently of the adapter. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Refusal } from "./refusal.ts";

const toleranceSeconds = 300;

export interface Credentials {
  readonly keyId: string;
  readonly secret: string;
}

/** Throws 401 unless the request is signed by the key, over exactly these bytes, now. */
export function checkRequest(
  request: Request,
  body: Uint8Array,
  { keyId, secret }: Credentials,
  now: Date,
): void {
  const { headers, method, url } = request;
  const timestamp = headers.get("Custodian-Timestamp") ?? "";
  const { pathname, search } = new URL(url);
  const drift = Math.abs(now.getTime() / 1_000 - Number(timestamp));
  const expected = createHmac("sha256", secret)
    .update(`${timestamp}.${method}.${pathname}${search}.`)
    .update(body)
    .digest();
  const given = Buffer.from(headers.get("Custodian-Signature") ?? "", "hex");
  const signed = given.length === expected.length && timingSafeEqual(given, expected);
  if (headers.get("Custodian-Key") !== keyId || !signed || !(drift <= toleranceSeconds)) {
    throw new Refusal(401, "UNAUTHORIZED");
  }
}

/** The headers of a webhook: one signature for each secret in use. */
export function signWebhook(
  body: string,
  secrets: readonly string[],
  now: Date,
): Record<string, string> {
  const timestamp = Math.floor(now.getTime() / 1_000).toString();
  const signatures = secrets.map(
    (secret) => `v1=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`,
  );
  return { "Custodian-Timestamp": timestamp, "Custodian-Signature": signatures.join(",") };
}
