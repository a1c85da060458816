/**
 * Deterministic ids: the same request or fact always has the same id, so that a repeat meets its
 * first self. SHA-256 over fields, each preceded by its UTF-8 length as 4 bytes big-endian.
 */
import { hash } from "node:crypto";

/** 64 hex characters of SHA-256 over the length-prefixed fields. */
export function hashFields(...fields: readonly string[]): string {
  const lengths = fields.map((field) => Buffer.byteLength(field, "utf8"));
  const all = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  for (const [index, field] of fields.entries()) {
    at = all.writeUInt32BE(lengths[index] ?? 0, at);
    at += all.write(field, at, "utf8");
  }
  return hash("sha256", all, "hex");
}

/** 64 hex characters of SHA-256 over a text. */
export function sha256Hex(text: string): string {
  return hash("sha256", text, "hex");
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
