/** The name of a letter for people and URLs: who read it, and where. Also says whose tables hold it. */
import type { LetterPlace } from "#platform/messaging/dead-letters/letters";
import { type MessagingSchema, messagingSchemas } from "../stores.ts";

const pattern = /^([a-z][a-z0-9.-]{0,99}):([A-Za-z0-9._-]{1,249}):([0-9]{1,6}):([0-9]{1,18})$/;

/** "escrow.commands:escrow.commands.v1:3:17" */
export function letterId({ consumer, topic, partition, offset }: LetterPlace): string {
  return `${consumer}:${topic}:${partition}:${offset}`;
}

/** Undefined for what is no letter's name. */
export function placeOf(id: string): LetterPlace | undefined {
  const [, consumer, topic, partition, offset] = pattern.exec(id) ?? [];
  if (consumer === undefined || topic === undefined || offset === undefined) return undefined;
  if (schemaOf(consumer) === undefined) return undefined;
  return { consumer, topic, partition: Number(partition), offset: BigInt(offset) };
}

/** A consumer is called by its module's name first. */
export function schemaOf(consumer: string): MessagingSchema | undefined {
  return messagingSchemas.find((schema) => consumer.startsWith(`${schema}.`));
}

/**
 * What these consumers leave out is missing from the ledger, from what escrow knows of it, or from what
 * holds money back: a dispute that was never raised lets it go.
 */
export function movesMoney({ consumer }: LetterPlace): boolean {
  return schemaOf(consumer) !== "projections";
}
