/** What the operators' desks answer, for the reference: letters, their groups, rows the log refused. */
import { z } from "zod";
import { instant } from "#platform/http/openapi/answers";

const letterFields = () => ({
  id: z.string(),
  consumer: z.string(),
  topic: z.string(),
  partition: z.int(),
  offset: z.string(),
  key: z.string(),
  escrowId: z.string().optional(),
  escrow: z.string().optional().describe("Where it is to be read."),
  messageId: z.string(),
  type: z.string(),
  state: z.enum(["waiting", "dead"]),
  attempts: z.int(),
  causeClass: z.string().describe("Of what was thrown last."),
  cause: z.string(),
  fingerprint: z.string().describe("The same for what failed alike."),
  firstFailedAt: instant(),
  failedAt: instant(),
  nextTryAt: instant().optional(),
  replayRequestedBy: z.string().optional(),
  discardNeedsSecondOperator: z.literal(true).optional(),
});

const group = () =>
  z.object({
    fingerprint: z.string(),
    causeClass: z.string(),
    type: z.string(),
    letters: z.int(),
    dead: z.int(),
    consumers: z.array(z.string()),
    cause: z.string().describe("One of theirs."),
    firstFailedAt: instant(),
    failedAt: instant(),
  });

/** With group=true the second. */
export const listedLetters = () =>
  z.union([
    z.object({ items: z.array(z.object(letterFields())), more: z.boolean() }),
    z.object({ groups: z.array(group()) }),
  ]);

const follower = () => z.object({ offset: z.string(), messageId: z.string(), type: z.string() });
const act = () =>
  z.object({
    action: z.string(),
    reason: z.string(),
    askedBy: z.string(),
    approvedBy: z.string().optional(),
    at: instant(),
  });

export const openLetter = () =>
  z.object({
    ...letterFields(),
    discardRefused: z.string().optional().describe("Why it can only be replayed."),
    appendedAt: instant(),
    stack: z.string(),
    headers: z.record(z.string(), z.string()),
    body: z.unknown().describe("Decoded by its topic's type; texts of people stay sealed."),
    behind: z.int().describe("How many of its key wait behind it."),
    followers: z.array(follower()).describe("The first of those."),
    history: z.array(act()).describe("What operators did with it."),
  });

export const replayed = () =>
  z.object({
    status: z.enum(["replaying", "dry_run"]),
    letters: z.int(),
    ids: z.array(z.string()),
    seconds: z.number().describe("Until the last of them is tried."),
    leftOut: z.int().describe("Gone meanwhile, or tried too often already."),
  });

export const listedHeld = () =>
  z.object({
    items: z.array(
      z.object({
        id: z.string(),
        schema: z.string(),
        topic: z.string(),
        key: z.string(),
        messageId: z.string(),
        type: z.string(),
        bytes: z.int(),
        error: z.string(),
        heldAt: instant(),
        behind: z.int(),
      }),
    ),
    more: z.boolean(),
  });

export const retried = () =>
  z.object({
    status: z.enum(["retrying", "dry_run"]),
    rows: z.int(),
    ids: z.array(z.string()),
    leftOut: z.int(),
  });
