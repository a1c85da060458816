/**
 * The operators' desk for dead letters, over the tables of all modules. A replay goes through the
 * same handler in the order of its key; a discard of what moves money takes two operators.
 */
import type { LetterRequest, OperatorRequest } from "#gen/platform/v1/operations_pb";
import type { Clock } from "#platform/clock";
import type { Approvals } from "#platform/http/approvals";
import { actsOn } from "#platform/messaging/dead-letters/letter-actions";
import {
  followersOf,
  type LetterFilter,
  openLetter,
} from "#platform/messaging/dead-letters/letters";
import type { Principal } from "#platform/module";
import type { Databases } from "../stores.ts";
import { type Discarded, discard, discardApproved } from "./discards.ts";
import { groupsLike, lettersLike } from "./find-letters.ts";
import { type Handlers, type IndispensableOptions, indispensableOf } from "./indispensable.ts";
import { createLetterApprovals } from "./letter-approvals.ts";
import { placeOf, schemaOf } from "./letter-id.ts";
import {
  type GroupView,
  groupView,
  type LetterView,
  letterView,
  type OpenLetterView,
  openLetterView,
} from "./letter-view.ts";
import { type Replayed, replay } from "./replays.ts";

export interface LetterDeskOptions {
  readonly databases: Databases;
  readonly clock: Clock;
  readonly handlers: Handlers;
  /** Whose the escrows and the providers' objects among these keys are. */
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

const shownFollowers = 20;

export function createLetterDesk(options: LetterDeskOptions): LetterDesk {
  const { databases } = options;
  const approvals = createLetterApprovals(options);
  const discarding = { ...options, approvals };
  return {
    approvals,
    list: async (filter, limit) => {
      const found = await lettersLike(databases, filter, limit + 1);
      return { items: found.slice(0, limit).map(letterView), more: found.length > limit };
    },
    groups: async (filter) => (await groupsLike(databases, filter)).map(groupView),
    show: (id) => showLetter(options, id),
    replay: (request, operator) => replay(options, request, operator),
    discard: (request, operator, key) => discard(discarding, request, operator, key),
    discardApproved: (request) => discardApproved(discarding, request),
  };
}

async function showLetter(
  options: IndispensableOptions,
  id: string,
): Promise<OpenLetterView | undefined> {
  const place = placeOf(id);
  const schema = place && schemaOf(place.consumer);
  if (place === undefined || schema === undefined) return undefined;
  const db = options.databases[schema];
  const letter = await openLetter(db, schema, place);
  if (letter === undefined) return undefined;
  return openLetterView(letter, {
    followers: await followersOf(db, schema, letter, shownFollowers),
    acts: await actsOn(db, schema, place),
    indispensable: (await indispensableOf(options, [place])).length > 0,
  });
}
