/**
 * The face a module shows to roles.ts: routes to mount, handlers to consume with, workers to loop.
 * Nothing else of a module is reachable from outside.
 */
import type { Hono } from "hono";
import type { AnyListener } from "./listening/listener.ts";
import type { AnyHandler } from "./messaging/handler.ts";
import type { Check } from "./verify/checks.ts";

/** A background activity that advances by bounded steps, so that tests drive the same code. */
export interface Worker {
  readonly name: string;
  /** Does one bounded piece of work; "idle" when there was nothing to do. */
  step(): Promise<"worked" | "idle">;
  /** How long the runner waits after an idle step. */
  readonly idleMs: number;
  /** How many steps may run side by side; 1 unless said. */
  readonly lanes?: number;
  /** Called once before the first step and after the last. */
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** Undefined while healthy, else why not. */
  problem?(): string | undefined;
}

/** Work a module has of its own accord: timers, provider operations, deliveries. */
export interface Pending {
  /** Due by business time and not done; what keeps the system from being quiet, in words. */
  readonly due: readonly string[];
  /** When the next piece of work will be due, if any is armed. */
  readonly nextDue: Date | undefined;
}

export interface Module {
  readonly name: string;
  readonly routes?: Hono<HttpEnv>;
  readonly handlers: readonly AnyHandler[];
  readonly listeners?: readonly AnyListener[];
  readonly workers: readonly Worker[];
  /** What a worker reads of the log as it lies there, in a group of its own. */
  readonly reading?: { readonly group: string; readonly topics: readonly string[] } | undefined;
  readonly pending?: () => Promise<Pending>;
  /** The module's invariants, asked by `app verify`. */
  readonly checks?: readonly Check[];
}

/** What the HTTP layer puts into every request's context. */
export interface HttpEnv {
  Variables: { principal: Principal; correlationId: string; traceparent: string };
}

/** What rights hang on; a token may name others, which add none. */
export type CallerRole = "buyer" | "seller" | "admin" | "auditor" | "service";

/** Who is calling, from the verified token. */
export interface Principal {
  readonly issuer: string;
  readonly subject: string;
  readonly roles: readonly string[];
  /** Set when a service acts for a member. */
  readonly onBehalfOf?: string | undefined;
  /** Set when an API key was sent instead of a token. */
  readonly keyId?: string | undefined;
  /** What that key may be used for; absent: all that the roles allow. */
  readonly scopes?: readonly string[] | undefined;
}
