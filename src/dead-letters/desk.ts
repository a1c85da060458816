/**
 * The operators' desk for dead letters, over the tables of all modules. A replay goes through the
 * same handler in the order of its key; a discard of what moves money takes two operators.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DiscardLettersSchema,
  type LetterRequest,
  type OperatorRequest,
  OperatorRequestSchema,
} from "#gen/platform/v1/operations_pb";
import { hashFields } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import { type Approvals, createApprovals } from "#platform/http/approvals";
import { HttpProblem } from "#platform/http/problem";
import {
  type Act,
  actsOn,
  discardLetters,
  mostAttempts,
  replayLetters,
} from "#platform/messaging/dead-letters/letter-actions";
import {
  followersOf,
  groupLetters,
  type Letter,
  type LetterFilter,
  type LetterGroup,
  type LetterPlace,
  listLetters,
  openLetter,
} from "#platform/messaging/dead-letters/letters";
import type { Principal } from "#platform/module";
import { type Databases, type MessagingSchema, messagingSchemas } from "../stores.ts";
import { letterId, movesMoney, placeOf, schemaOf } from "./letter-id.ts";
import {
  type GroupView,
  groupView,
  type LetterView,
  letterView,
  type OpenLetterView,
  openLetterView,
} from "./letter-view.ts";
import { selectionOf } from "./selection.ts";

export interface LetterDeskOptions {
  readonly databases: Databases;
  readonly clock: Clock;
  /** Buyers and sellers of the escrows among these keys. */
  readonly partiesOf: (keys: readonly string[]) => Promise<readonly string[]>;
}

export interface LetterDesk {
  list(filter: LetterFilter, limit: number): Promise<{ items: LetterView[]; more: boolean }>;
  groups(filter: LetterFilter): Promise<GroupView[]>;
  show(id: string): Promise<OpenLetterView | undefined>;
  replay(request: LetterRequest, operator: Principal): Promise<Replayed>;
  discard(request: LetterRequest, operator: Principal, key?: string): Promise<Discarded>;
  /** What two operators want. */
  readonly approvals: Approvals<OperatorRequest>;
  discardApproved(request: OperatorRequest): Promise<Discarded>;
}

export interface Replayed {
  readonly status: "replaying" | "dry_run";
  readonly letters: number;
  readonly ids: readonly string[];
  /** Until the last of them is tried. */
  readonly seconds: number;
  /** Gone meanwhile, or tried too often already. */
  readonly leftOut: number;
}

export interface Discarded {
  readonly status: "discarded" | "awaiting_approval" | "dry_run";
  readonly letters: number;
  readonly ids: readonly string[];
  readonly leftOut: number;
  /** For another operator to approve. */
  readonly approvalId?: string;
  readonly needsSecondOperator: boolean;
}

const shownFollowers = 20;
const usualRate = 10;
const usualLimit = 1_000;
/** What a second operator can still look at. */
const mostToApprove = 200;

export function createLetterDesk(options: LetterDeskOptions): LetterDesk {
  const { databases, clock } = options;
  const approvals = createLetterApprovals(options);
  const own = { ...options, approvals };
  return {
    approvals,
    list: async (filter, limit) => {
      const found = await lettersLike(databases, filter, limit + 1);
      return { items: found.slice(0, limit).map(letterView), more: found.length > limit };
    },
    groups: async (filter) => {
      const found = await perSchema((schema) => groupLetters(databases[schema], schema, filter));
      return joined(found).map(groupView);
    },
    show: (id) => showLetter(databases, id),
    replay: (request, operator) => replay(databases, clock, request, operator),
    discard: (request, operator, key) => discard(own, request, operator, key),
    discardApproved: async ({ body, approvedBy: [askedBy, approvedBy] }) => {
      if (body.case === undefined || askedBy === undefined || approvedBy === undefined) {
        throw new HttpProblem("APPROVAL_REQUIRED", "Two operators are needed.");
      }
      const { ids, reason } = body.value;
      const found = await lettersAt(
        databases,
        ids.flatMap((id) => placeOf(id) ?? []),
      );
      return discardNow(databases, found, ids.length, { askedBy, approvedBy, reason });
    },
  };
}

async function perSchema<T>(
  read: (schema: MessagingSchema) => Promise<readonly T[]>,
): Promise<T[]> {
  const found: T[] = [];
  for (const schema of messagingSchemas) found.push(...(await read(schema)));
  return found;
}

/** One cause may strike readers of several modules. */
function joined(groups: readonly LetterGroup[]): LetterGroup[] {
  const byPrint = new Map<string, LetterGroup>();
  for (const group of groups) {
    const other = byPrint.get(group.fingerprint) ?? {
      ...group,
      letters: 0,
      dead: 0,
      consumers: [],
    };
    byPrint.set(group.fingerprint, {
      ...other,
      letters: other.letters + group.letters,
      dead: other.dead + group.dead,
      consumers: [...new Set([...other.consumers, ...group.consumers])],
      firstFailedAt: earlier(other.firstFailedAt, group.firstFailedAt),
      failedAt:
        earlier(other.failedAt, group.failedAt) === other.failedAt
          ? group.failedAt
          : other.failedAt,
    });
  }
  return [...byPrint.values()].sort((a, b) => b.letters - a.letters);
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}

async function lettersLike(
  databases: Databases,
  filter: LetterFilter,
  limit: number,
): Promise<Letter[]> {
  const found = await perSchema((schema) => listLetters(databases[schema], schema, filter, limit));
  return found
    .sort((a, b) => a.firstFailedAt.getTime() - b.firstFailedAt.getTime())
    .slice(0, limit);
}

async function lettersAt(
  databases: Databases,
  places: readonly LetterPlace[],
): Promise<readonly Letter[]> {
  const found: Letter[] = [];
  for (const place of places) {
    const schema = schemaOf(place.consumer);
    const letter = schema && (await openLetter(databases[schema], schema, place));
    if (letter !== undefined) found.push(letter);
  }
  return found;
}

async function selected(
  databases: Databases,
  clock: Clock,
  request: LetterRequest,
): Promise<{ letters: readonly Letter[]; asked: number }> {
  const selection = selectionOf(request, clock);
  if (selection.kind === "places") {
    const letters = await lettersAt(databases, selection.places);
    return { letters, asked: selection.places.length };
  }
  const letters = await lettersLike(databases, selection.filter, request.limit || usualLimit);
  return { letters, asked: letters.length };
}

async function showLetter(databases: Databases, id: string): Promise<OpenLetterView | undefined> {
  const place = placeOf(id);
  const schema = place && schemaOf(place.consumer);
  if (place === undefined || schema === undefined) return undefined;
  const db = databases[schema];
  const letter = await openLetter(db, schema, place);
  if (letter === undefined) return undefined;
  const followers = await followersOf(db, schema, letter, shownFollowers);
  return openLetterView(letter, followers, await actsOn(db, schema, place));
}

async function replay(
  databases: Databases,
  clock: Clock,
  request: LetterRequest,
  operator: Principal,
): Promise<Replayed> {
  const rate = request.ratePerSecond === "" ? usualRate : Number(request.ratePerSecond);
  if (!(rate > 0)) {
    throw new HttpProblem("INVALID_FIELD", "A rate above 0.", { field: "ratePerSecond" });
  }
  const { letters, asked } = await selected(databases, clock, request);
  const fit = letters.filter(({ attempts }) => attempts < mostAttempts);
  const seconds = Math.max(0, fit.length - 1) / rate;
  const plan = { ids: fit.map(letterId), seconds };
  if (request.dryRun) {
    return { status: "dry_run", letters: fit.length, leftOut: asked - fit.length, ...plan };
  }
  const replays = fit.map((letter, n) => ({
    place: letter,
    key: letter.key,
    delayMs: (n * 1_000) / rate,
  }));
  const act = { askedBy: personOf(operator), reason: request.reason };
  const done = await perSchema((schema) =>
    replayLetters(
      databases[schema],
      schema,
      replays.filter(({ place }) => schemaOf(place.consumer) === schema),
      act,
    ),
  );
  return {
    status: "replaying",
    letters: done.length,
    ids: done.map(letterId),
    seconds,
    leftOut: asked - done.length,
  };
}

async function discard(
  { databases, clock, approvals }: LetterDeskOptions & Pick<LetterDesk, "approvals">,
  request: LetterRequest,
  operator: Principal,
  key: string = crypto.randomUUID(),
): Promise<Discarded> {
  const { letters, asked } = await selected(databases, clock, request);
  const ids = letters.map(letterId);
  const needsSecondOperator = letters.some(movesMoney);
  const plan = { letters: ids.length, ids, leftOut: asked - ids.length, needsSecondOperator };
  if (request.dryRun) return { status: "dry_run", ...plan };
  const { reason } = request;
  if (!needsSecondOperator) {
    return discardNow(databases, letters, asked, { askedBy: personOf(operator), reason });
  }
  if (ids.length > mostToApprove) {
    throw new HttpProblem(
      "INVALID_FIELD",
      `What needs a second operator goes in parts of ${mostToApprove} at most.`,
      { field: "limit" },
    );
  }
  const keys = [...new Set(letters.map((letter) => letter.key))];
  const command = create(OperatorRequestSchema, {
    commandId: hashFields(personOf(operator), key),
    escrowId: keys.length === 1 ? (keys[0] ?? "") : "",
    fingerprint: hashFields(reason, ...ids),
    sentAt: timestampFromDate(clock.now()),
    body: {
      case: "discardLetters",
      value: create(DiscardLettersSchema, { ids, keys, reason }),
    },
  });
  const approvalId = await approvals.ask(command, operator);
  return { status: "awaiting_approval", ...plan, approvalId };
}

async function discardNow(
  databases: Databases,
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

function createLetterApprovals({
  databases,
  clock,
  partiesOf,
}: LetterDeskOptions): Approvals<OperatorRequest> {
  return createApprovals<OperatorRequest>({
    db: databases.platform,
    clock,
    schema: "access",
    message: OperatorRequestSchema,
    partiesOf: async ({ body }) => (body.case === undefined ? [] : partiesOf(body.value.keys)),
    summaryOf: () => ({ milestoneId: "", amount: "0" }),
  });
}

function personOf({ issuer, subject }: Principal): string {
  return `${issuer}|${subject}`;
}
