/**
 * What a story is made of: people who act over HTTP as any client would, time that passes, and
 * sentences that are checked as they are told. A sentence that is not true ends the story.
 */

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a client sees is untyped JSON
  readonly body: any;
}

/** Someone with a token. */
export interface Person {
  get(path: string): Promise<Answer>;
  /** With an Idempotency-Key of its own; waits for the outcome where the route allows it. */
  post(path: string, body?: object): Promise<Answer>;
}

/** What plays the world outside: a Stripe and a custodian that follow the story's clock. */
export interface World {
  /** Does one thing at a simulator by its control's name; resolves to what it answered. */
  // biome-ignore lint/suspicious/noExplicitAny: a simulator's objects are untyped JSON
  play(simulator: "stripe" | "custodian", action: string, args?: object): Promise<any>;
}

export interface Stage extends World {
  as(subject: string, ...roles: string[]): Person;
  /** Waits until nothing is under way any more. */
  settle(): Promise<void>;
  /** Business time passes, everywhere. */
  pass(duration: string): Promise<void>;
  /** Tells, without checking. */
  tell(sentence: string): void;
  /** Tells it if it is so. Throws StoryBroken otherwise, with what was found. */
  expect(sentence: string, found: unknown, wanted: unknown): void;
}

export interface Story {
  /** For `--story`. */
  readonly name: string;
  readonly title: string;
  play(stage: Stage): Promise<void>;
}

export class StoryBroken extends Error {
  override readonly name = "StoryBroken";
}

/** Every member of `wanted` is in `found`, deeply; lists member by member. */
export function contains(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return found === wanted;
  if (typeof found !== "object" || found === null) return false;
  return Object.entries(wanted).every(([name, value]) =>
    contains((found as Record<string, unknown>)[name], value),
  );
}
