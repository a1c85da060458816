/** Shapes that answers of many routes share. */

import type { DescMessage } from "@bufbuild/protobuf";
import { z } from "zod";
import { EscrowViewSchema } from "#gen/escrow/v1/queries_pb";

/** Which schemas stand for a message. */
export const messages = new WeakMap<object, DescMessage>();

/** A message inside a plain answer, in its JSON mapping. */
export function messageIn(message: DescMessage): z.ZodType {
  const schema = z.unknown();
  messages.set(schema, message);
  return schema;
}

export const instant = () => z.string().describe("An instant, ISO 8601 in UTC.");
export const minor = () => z.string().describe("Minor units; may be negative in sums.");
export const money = () => z.object({ amount: minor(), currency: z.string() });

/** Whatever there is, as a list under `items`. */
export function items(item: () => z.ZodType): () => z.ZodType {
  return () => z.object({ items: z.array(item()) });
}

export const problem = () =>
  z.looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().describe("Stable, for programs."),
    detail: z.string().describe("For people."),
    field: z.string().optional().describe("Which field or parameter is meant."),
    correlationId: z.string(),
  });

const named = () => ({ commandId: z.string(), escrowId: z.string() });

/** A command that is on its way, or waits for a second operator. */
export const accepted = () =>
  z.object({
    ...named(),
    status: z.enum(["pending", "awaiting_approval"]),
    receivedAt: instant().optional(),
    approvalId: z.string().optional(),
  });

/** A command that was waited for. */
export const settled = () =>
  z.object({
    ...named(),
    status: z.literal("succeeded"),
    escrow: messageIn(EscrowViewSchema).optional(),
  });

/** What a dry run says. */
const preview = () =>
  z.looseObject({ wouldSucceed: z.boolean(), rejection: z.unknown().optional() });

/** With dryRun the second. */
export const settledOrPreview = () => z.union([settled(), preview()]);

/** Told apart by nobody but its reader: a report whose parts have names of their own. */
export const report = () => z.looseObject({});
