/**
 * Whether an event can be kept as it is: its names are as long as its message's rules let them be and
 * have no character that a database refuses, its instant is one. What is not is no provider's event.
 */
import type { VerifiedWebhook } from "../provider.ts";

const nameLength = 255;
const typeLength = 128;
/** The years a timestamp may be of. */
const firstMs = Date.parse("0001-01-01T00:00:00Z");
const lastMs = Date.parse("9999-12-31T23:59:59Z");

export function isKeepable(webhook: VerifiedWebhook): boolean {
  const { eventId, type, objectId, createdAt, account } = webhook;
  const atMs = createdAt.getTime();
  return (
    eventId !== "" &&
    objectId !== "" &&
    [eventId, objectId, account].every((name) => isText(name, nameLength)) &&
    isText(type, typeLength) &&
    atMs >= firstMs &&
    atMs <= lastMs
  );
}

function isText(text: string, most: number): boolean {
  return text.length <= most && /^[^\p{Cc}\p{Cs}]*$/u.test(text);
}
