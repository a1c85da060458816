/**
 * What is said of a webhook that is not taken. Whoever has none of the secrets learns nothing but that;
 * the operator of an endpoint that is set up otherwise than ours, or of a clock that is wrong, learns which.
 */
import { HttpProblem } from "#platform/http/problem";
import type { WebhookFault } from "../provider.ts";
import { toleranceSeconds } from "../providers/signed-webhook.ts";

const said: Readonly<Record<WebhookFault, readonly [code: string, detail: string]>> = {
  signature: ["BAD_SIGNATURE", "The signature does not hold for this body."],
  too_old: [
    "WEBHOOK_TOO_OLD",
    `It was signed more than ${toleranceSeconds} seconds before the time here.`,
  ],
  in_future: [
    "WEBHOOK_IN_FUTURE",
    `It was signed for more than ${toleranceSeconds} seconds after the time here.`,
  ],
  not_json: ["WEBHOOK_NOT_JSON", "It is well signed, but no JSON."],
  not_an_event: ["WEBHOOK_NOT_AN_EVENT", "It is well signed, but no event of this provider."],
  version: [
    "WEBHOOK_OTHER_VERSION",
    "The event is in another version of the API than the one read here: the endpoint has to be made with ours.",
  ],
  endpoint: [
    "WEBHOOK_OTHER_ENDPOINT",
    "The secret is of the endpoint for our own account and the event of a connected one, or the reverse.",
  ],
  account: ["WEBHOOK_OTHER_ACCOUNT", "The event is about another account than it came from."],
};

export function refusal(fault: WebhookFault): HttpProblem {
  const [code, detail] = said[fault];
  return new HttpProblem(code, detail);
}
