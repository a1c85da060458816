/**
 * What an operator wants gone. What is waited for is refused, what moves money takes two operators,
 * and what two approved is looked at once more before it is done.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DiscardLettersSchema,
  type LetterRequest,
  type OperatorRequest,
  OperatorRequestSchema,
} from "#gen/platform/v1/operations_pb";
import { isEscrowId } from "#kernel/command-subject";
import { hashFields } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import { type Approvals, personOf } from "#platform/http/approvals";
import { HttpProblem } from "#platform/http/problem";
import { type Act, discardLetters } from "#platform/messaging/dead-letters/letter-actions";
import type { Letter } from "#platform/messaging/dead-letters/letters";
import type { Principal } from "#platform/module";
import { lettersAt, perSchema, selectLetters } from "./find-letters.ts";
import { type IndispensableOptions, refuseIndispensable } from "./indispensable.ts";
import { letterId, movesMoney, placeOf, schemaOf } from "./letter-id.ts";
import { isProven } from "./unproven.ts";

export interface Discarded {
  readonly status: "discarded" | "awaiting_approval" | "dry_run";
  readonly letters: number;
  readonly ids: readonly string[];
  readonly leftOut: number;
  /** For another operator to approve. */
  readonly approvalId?: string;
  readonly needsSecondOperator: boolean;
}

export interface DiscardOptions extends IndispensableOptions {
  readonly clock: Pick<Clock, "now" | "wall">;
  readonly approvals: Approvals<OperatorRequest>;
}

/** What a second operator can still look at. */
const mostToApprove = 200;

export async function discard(
  options: DiscardOptions,
  request: LetterRequest,
  operator: Principal,
  key: string = crypto.randomUUID(),
): Promise<Discarded> {
  const { databases, clock, approvals } = options;
  const { letters, asked } = await selectLetters(databases, clock, request);
  const needsSecondOperator = letters.some(movesMoney);
  if (needsSecondOperator && letters.length > mostToApprove) {
    throw new HttpProblem(
      "INVALID_FIELD",
      `What needs a second operator goes in parts of ${mostToApprove} at most.`,
      { field: "limit" },
    );
  }
  await refuseIndispensable(options, letters);
  const ids = letters.map(letterId);
  const plan = { letters: ids.length, ids, leftOut: asked - ids.length, needsSecondOperator };
  if (request.dryRun) return { status: "dry_run", ...plan };
  if (!needsSecondOperator) {
    const act = { askedBy: personOf(operator), reason: request.reason };
    return discardNow(options, letters, asked, act);
  }
  if (!isProven(operator)) {
    const detail = "Two operators discard this, each by a token: use --server and --token-file.";
    throw new HttpProblem("APPROVAL_REQUIRED", detail);
  }
  const wish = wishOf(letters, request.reason, {
    commandId: hashFields(personOf(operator), key),
    sentAt: timestampFromDate(clock.now()),
  });
  return { status: "awaiting_approval", ...plan, approvalId: await approvals.ask(wish, operator) };
}

function wishOf(
  letters: readonly Letter[],
  reason: string,
  head: Pick<OperatorRequest, "commandId" | "sentAt">,
): OperatorRequest {
  const ids = letters.map(letterId);
  const keys = [...new Set(letters.map((letter) => letter.key))];
  const [only = "", ...others] = keys;
  return create(OperatorRequestSchema, {
    ...head,
    escrowId: others.length === 0 && isEscrowId(only) ? only : "",
    fingerprint: hashFields(reason, ...ids),
    body: { case: "discardLetters", value: create(DiscardLettersSchema, { ids, keys, reason }) },
  });
}

/** Done once: who approves again is told so. */
export async function discardApproved(
  options: DiscardOptions,
  wish: OperatorRequest,
): Promise<Discarded> {
  const { body, approvedBy: operators } = wish;
  const [askedBy, approvedBy] = operators;
  if (body.case === undefined || askedBy === undefined || approvedBy === undefined) {
    throw new HttpProblem("APPROVAL_REQUIRED", "Two operators are needed.");
  }
  const { ids, reason } = body.value;
  const places = ids.flatMap((id) => placeOf(id) ?? []);
  const found = await lettersAt(options.databases, places);
  await refuseIndispensable(options, found);
  const done = await discardNow(options, found, ids.length, { askedBy, approvedBy, reason });
  await options.approvals.finish(wish);
  return done;
}

async function discardNow(
  { databases }: DiscardOptions,
  letters: readonly Letter[],
  asked: number,
  act: Act,
): Promise<Discarded> {
  const done = await perSchema((schema) => {
    const own = letters.filter(({ consumer }) => schemaOf(consumer) === schema);
    const places = own.map((place) => ({ place, key: place.key }));
    return discardLetters(databases[schema], schema, places, act);
  });
  return {
    status: "discarded",
    letters: done.length,
    ids: done.map(letterId),
    leftOut: asked - done.length,
    needsSecondOperator: act.approvedBy !== undefined,
  };
}
