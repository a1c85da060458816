/** A letter as operators see it: what failed and why, and what it says. */
import type { LetterAct } from "#platform/messaging/dead-letters/letter-actions";
import type {
  Follower,
  Letter,
  LetterGroup,
  OpenLetter,
} from "#platform/messaging/dead-letters/letters";
import { bodyView } from "../messages/body-view.ts";
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
    body: bodyView(letter.topic, letter.value).body,
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

function subjectOf(person: string): string {
  return person.slice(person.lastIndexOf("|") + 1);
}
