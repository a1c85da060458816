/**
 * A letter as operators see it: what failed and why, its body decoded by its topic's own type.
 * Texts of people stay sealed: whoever may look here may not read them.
 */
import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { LetterAct } from "#platform/messaging/dead-letters/letter-actions";
import type {
  Follower,
  Letter,
  LetterGroup,
  OpenLetter,
} from "#platform/messaging/dead-letters/letters";
import { allTopics } from "#topics";
import { letterId, movesMoney } from "./letter-id.ts";

export function letterView(letter: Letter) {
  const { partition, offset, nextAt, firstFailedAt, failedAt, requestedBy, ...rest } = letter;
  return {
    id: letterId(letter),
    consumer: rest.consumer,
    topic: rest.topic,
    partition,
    offset: String(offset),
    key: rest.key,
    ...escrowIn(rest.key),
    messageId: rest.messageId,
    type: rest.messageType,
    state: rest.state,
    attempts: rest.attempts,
    causeClass: rest.causeClass,
    cause: rest.cause,
    fingerprint: rest.fingerprint,
    firstFailedAt: firstFailedAt.toISOString(),
    failedAt: failedAt.toISOString(),
    ...(rest.state === "waiting" && nextAt !== null && { nextTryAt: nextAt.toISOString() }),
    ...(requestedBy !== null && { replayRequestedBy: requestedBy }),
    ...(movesMoney(letter) && { discardNeedsSecondOperator: true }),
  };
}

export type LetterView = ReturnType<typeof letterView>;

export function groupView(group: LetterGroup) {
  const { firstFailedAt, failedAt, messageType: type, ...rest } = group;
  return {
    ...rest,
    type,
    firstFailedAt: firstFailedAt.toISOString(),
    failedAt: failedAt.toISOString(),
  };
}

export type GroupView = ReturnType<typeof groupView>;

export interface LetterStory {
  readonly followers: readonly Follower[];
  readonly acts: readonly LetterAct[];
  readonly indispensable: boolean;
}

export function openLetterView(
  letter: OpenLetter,
  { followers, acts, indispensable }: LetterStory,
) {
  return {
    ...letterView(letter),
    ...(indispensable && { discardRefused: "its key would wait for it for ever: mend and replay" }),
    appendedAt: letter.appendedAt.toISOString(),
    stack: letter.stack,
    headers: letter.headers,
    ...bodyOf(letter),
    behind: letter.behind,
    followers: followers.map(({ offset, messageId, messageType }) => ({
      offset: String(offset),
      messageId,
      type: messageType,
    })),
    history: acts.map(({ at, askedBy, approvedBy, ...act }) => ({
      ...act,
      askedBy: subjectOf(askedBy),
      ...(approvedBy !== null && { approvedBy: subjectOf(approvedBy) }),
      at: at.toISOString(),
    })),
  };
}

export type OpenLetterView = ReturnType<typeof openLetterView>;

function escrowIn(key: string): { escrowId?: string; escrow?: string } {
  return /^esc_[A-Za-z0-9]+$/.test(key) ? { escrowId: key, escrow: `/v1/escrows/${key}` } : {};
}

/** Enough of a stranger's bytes to recognize them by. */
const shownBytes = 96;

function bodyOf({ topic: name, value }: OpenLetter): { body: JsonValue } {
  const topic = allTopics.find((one) => one.name === name);
  try {
    if (topic === undefined) throw new Error(`${name} is no topic of this program`);
    return { body: sealed(toJson(topic.schema, fromBinary(topic.schema, value)) as JsonValue) };
  } catch (error) {
    return {
      body: {
        undecodable: error instanceof Error ? error.message : String(error),
        bytes: value.length,
        sha256: new Bun.CryptoHasher("sha256").update(value).digest("hex"),
        startsWith: Buffer.from(value.subarray(0, shownBytes)).toString("base64"),
      },
    };
  }
}

/** The ciphertext of a sealed text is left out; whose it is stays. */
function sealed(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(sealed);
  if (typeof json !== "object" || json === null) return json;
  if ("ciphertext" in json && "keyId" in json) return { subject: json.subject ?? "", sealed: true };
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, sealed(value)]));
}

function subjectOf(person: string): string {
  return person.slice(person.lastIndexOf("|") + 1);
}
