import { describe, expect, test } from "bun:test";
import { readWebhook } from "./read-webhook.ts";
import { sign, signatureHeader } from "./sign.ts";

const wall = new Date("2030-01-01T00:00:00Z");
const webhookSecrets = ["newer-secret", "older-secret"];
const event = { id: "evt_1", type: "payment.succeeded", created: wall.toISOString() };
const body = JSON.stringify({ ...event, data: { objectId: "sbx_pay_1" } });

function read(text: string, { by = "older-secret", ageMs = 0 } = {}) {
  const header = sign(text, [by], new Date(wall.getTime() - ageMs));
  const headers = new Headers({ [signatureHeader]: header });
  return readWebhook(new TextEncoder().encode(text), headers, { webhookSecrets, wall });
}

describe("pitfall 23: a webhook of the sandbox", () => {
  test("names its object, by either secret", () => {
    const read1 = { eventId: "evt_1", objectId: "sbx_pay_1", livemode: false, account: "" };
    expect(read(body)).toMatchObject(read1);
    expect(read(body, { by: "newer-secret" })).toMatchObject(read1);
  });

  const faults: [string, string, number][] = [
    ["too_old", body, 301_000],
    ["in_future", body, -301_000],
    ["not_json", "hello", 0],
    ["not_an_event", "{}", 0],
    ["not_an_event", JSON.stringify({ ...event, data: {} }), 0],
    ["not_an_event", body.replace("2030-01-01T", "yesterday "), 0],
  ];
  test.each(faults)("is refused as %s, which nobody else is told", (refused, text, ageMs) => {
    expect(read(text, { ageMs })).toEqual({ refused } as never);
    expect(read(text, { ageMs, by: "mallory" })).toEqual({ refused: "signature" });
  });
});
