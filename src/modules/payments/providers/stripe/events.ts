/**
 * Which object an event is about. Only that is taken from an event: an event is a signal to read
 * the object, and its body may be old, or in another version of the API.
 */

/** What of an event we read, whichever API made it. */
export interface EventBody {
  readonly id: string;
  readonly type: string;
  readonly livemode: boolean;
  readonly createdMs: number;
  /** The connected account it happened in, "" for the platform itself. */
  readonly account: string;
  /** Undefined: the event belongs to no version. */
  readonly version: string | undefined;
  readonly objectId: string;
  /** Of the object in it, as it says itself. */
  readonly subject: Subject;
}

export interface Subject {
  readonly id: string;
  readonly object: string;
}

/** Those that the sweep asks for; Stripe lists at most twenty types at once. */
export const sweptTypes: readonly string[] = [
  "payment_intent.succeeded",
  "payment_intent.processing",
  "payment_intent.payment_failed",
  "payment_intent.canceled",
  "charge.succeeded",
  "charge.failed",
  "charge.updated",
  "charge.dispute.created",
  "charge.dispute.updated",
  "charge.dispute.closed",
  "charge.dispute.funds_withdrawn",
  "charge.dispute.funds_reinstated",
  "refund.created",
  "refund.updated",
  "refund.failed",
  "transfer.created",
  "transfer.reversed",
  "transfer.updated",
  "radar.early_fraud_warning.created",
  "radar.early_fraud_warning.updated",
];

type Json = Readonly<Record<string, unknown>>;

/** Undefined: not an event at all. */
export function readEvent(value: unknown): EventBody | undefined {
  const event = jsonOf(value);
  if (event === undefined) return undefined;
  const { id, type, livemode, object } = event;
  if (typeof id !== "string" || typeof type !== "string" || typeof livemode !== "boolean") {
    return undefined;
  }
  const said = { id, type, livemode };
  return object === "v2.core.event" ? readThin(event, said) : readWhole(event, said);
}

type Said = Pick<EventBody, "id" | "type" | "livemode">;

/** An event of API v2 carries no object, only where to find it. */
function readThin(event: Json, said: Said): EventBody | undefined {
  const createdMs = Date.parse(textOf(event.created));
  if (Number.isNaN(createdMs)) return undefined;
  const related = jsonOf(event.related_object) ?? {};
  const subject = { id: textOf(related.id), object: textOf(related.type) };
  const account = textOf(event.context);
  const objectId = subject.id || account || said.id;
  return { ...said, createdMs, account, version: undefined, objectId, subject };
}

function readWhole(event: Json, said: Said): EventBody | undefined {
  const { created, account, api_version: version, data } = event;
  const object = jsonOf(jsonOf(data)?.object);
  if (typeof created !== "number" || object === undefined) return undefined;
  const subject = { id: textOf(object.id), object: textOf(object.object) };
  const whose = textOf(account);
  return {
    ...said,
    createdMs: created * 1_000,
    account: whose,
    version: typeof version === "string" ? version : undefined,
    objectId: objectIdOf(said.type, object, subject) || whose || said.id,
    subject,
  };
}

/** A charge is told of by its payment, a reversal by its transfer's event. */
function objectIdOf(type: string, object: Json, { id, object: kind }: Subject): string {
  if (type === "transfer.reversed") return reversalIn(object, id);
  switch (kind) {
    case "charge":
      return nameOf(object.payment_intent) || id;
    case "capability":
    case "person":
    case "external_account":
      return nameOf(object.account);
    case "application":
      return "";
    default:
      return id;
  }
}

/** The newest comes first in the transfer's own list. */
function reversalIn(transfer: Json, transferId: string): string {
  const reversals = jsonOf(transfer.reversals)?.data;
  const newest = Array.isArray(reversals) ? textOf(jsonOf(reversals[0])?.id) : "";
  return newest === "" ? transferId : `${transferId}/${newest}`;
}

function nameOf(named: unknown): string {
  return textOf(named) || textOf(jsonOf(named)?.id);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function jsonOf(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null ? (value as Json) : undefined;
}
