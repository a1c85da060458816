/**
 * Deterministic ids: the same request or fact always has the same id, so that a repeat meets its
 * first self. SHA-256 over fields, each preceded by its UTF-8 length as 4 bytes big-endian.
 */
import { createHash } from "node:crypto";

/** 64 hex characters of SHA-256 over the length-prefixed fields. */
export function hashFields(...fields: readonly string[]): string {
  const hash = createHash("sha256");
  for (const field of fields) {
    const bytes = Buffer.from(field, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest("hex");
}

/** 64 hex characters of SHA-256 over a text. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** The id of a command. Over HTTP the idempotency key takes the timestamp's place and the principal the actor's. */
export function generateCommandEventId(
  escrowId: string,
  commandType: string,
  actorId: string,
  timestamp: Date | string,
): string {
  return hashFields(escrowId, commandType, actorId, instant(timestamp));
}

/** The id of an event. `businessStateHash` covers the version, so two equal partial releases differ. */
export function generateEventId(
  escrowId: string,
  eventType: string,
  businessStateHash: string,
  occurredAt: Date | string,
): string {
  return hashFields(escrowId, eventType, businessStateHash, instant(occurredAt));
}

/** The id of an escrow: repeated creation with the same key meets the same escrow. */
export function generateEscrowId(principal: string, key: string): string {
  return `esc_${hashFields(principal, key).slice(0, 32)}`;
}

function instant(value: Date | string): string {
  return typeof value === "string" ? value : value.toISOString();
}
