/** Shapes that answers of many routes share. */

import type { DescMessage } from "@bufbuild/protobuf";
import { z } from "zod";
import { EscrowViewSchema } from "#gen/escrow/v1/queries_pb";
import { codesByStatus } from "../problem.ts";

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
    code: z.string().describe(`Stable, for programs. ${codesByStatus()}`),
    detail: z.string().describe("For people."),
    field: z.string().optional().describe("Which field or parameter is meant."),
    commandId: z
      .string()
      .optional()
      .describe("Of a command that was refused, or may be under way."),
    escrowId: subject().escrowId.optional(),
    provider: subject().provider,
    scope: z.string().optional().describe("Which one the key would need."),
    correlationId: z.string(),
  });

const named = () => ({ commandId: z.string(), ...subject() });

/** What a command is about. */
export const subject = () => ({
  escrowId: z.string().describe("The escrow a command is about; empty where it is a provider."),
  provider: z.string().optional().describe("Of a command about a provider: which."),
});

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
  z
    .looseObject({
      wouldSucceed: z.boolean(),
      rejection: z.object({ code: z.string(), detail: z.string() }).optional(),
      guards: z
        .array(z.object({ guard: z.string(), ok: z.boolean() }))
        .describe("Each rule that was looked at, in order, and whether it holds."),
      events: z.array(z.unknown()).describe("What would have happened, without anybody's text."),
      postings: z.array(z.unknown()).describe("What the ledger would post."),
      providerCalls: z.array(z.unknown()).describe("What a provider would be asked."),
    })
    .describe("With dryRun=true: what would happen. Nothing is written.");

/** With dryRun the second. */
export const settledOrPreview = () => z.union([settled().describe("Done."), preview()]);

/** Letters that were given up, would be, or wait for a second operator. */
export const lettersDiscarded = () =>
  z.object({
    status: z.enum(["discarded", "awaiting_approval", "dry_run"]),
    letters: z.int(),
    ids: z.array(z.string()),
    leftOut: z.int().describe("Gone meanwhile."),
    approvalId: z.string().optional(),
    needsSecondOperator: z.boolean(),
  });

const side = () => z.object({ amount: minor(), fee: minor() });

/** Where a provider's book and ours differ. */
export const providerBreak = () =>
  z.object({
    breakId: z.string(),
    kind: z.string(),
    category: z.string(),
    escrowId: z.string(),
    reference: z.string(),
    currency: z.string(),
    ours: side(),
    theirs: side(),
    foundAt: instant(),
    ageSeconds: z.int(),
    accepted: z.boolean(),
  });

/** Told apart by nobody but its reader: a report whose parts have names of their own. */
export const report = () => z.looseObject({});
