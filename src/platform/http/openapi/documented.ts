/**
 * What a route says of itself, beside its handler: the reference is made of nothing else. It is held
 * to it: who has none of the roles is turned away, a query parameter that is not declared is refused,
 * so that a misspelt one is not ignored, and a header that is not declared cannot be read.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import type { MiddlewareHandler } from "hono";
import type { z } from "zod";
import type { CallerRole, HttpEnv } from "../../module.ts";
import { requireRole } from "../auth.ts";
import { HttpProblem } from "../problem.ts";
import { type DeclaredHeaders, declareHeaders } from "./headers.ts";

/** A message in its JSON mapping, or a schema; made when somebody first reads the reference. */
export type Shape = DescMessage | (() => z.ZodType);

export interface RouteDoc {
  /** One sentence. */
  readonly summary: string;
  /** The caller needs any of these, or gets 403; absent: whoever has to do with what the path names. */
  readonly roles?: readonly CallerRole[];
  /** Whom it is for, where the handler judges that; completes "For …". */
  readonly audience?: string;
  /** Nobody need be signed in. */
  readonly open?: boolean;
  readonly body?: Shape;
  /** What each parameter means; no others are taken. "any" where a stranger chooses them. */
  readonly query?: Readonly<Record<string, string>> | "any";
  /** By status: what a success answers. */
  readonly answers: Readonly<Record<number, Shape>>;
  /** Those the handler reads; it can read no others. */
  readonly headers?: DeclaredHeaders;
  /** Answers as every command does; `answers` adds to that. */
  readonly command?: boolean;
}

const declared = new WeakMap<object, RouteDoc>();

export function documented(doc: RouteDoc): MiddlewareHandler<HttpEnv> {
  const { query = {}, roles, headers = {}, open = false } = doc;
  const handler: MiddlewareHandler<HttpEnv> = async (c, next) => {
    if (query !== "any") refuseUnknown(Object.keys(c.req.query()), Object.keys(query));
    if (roles !== undefined) requireRole(c.get("principal"), ...roles);
    if (!open) declareHeaders(c, headers);
    await next();
  };
  declared.set(handler, doc);
  return handler;
}

/** Undefined: this handler declares nothing. */
export function docOf(handler: object): RouteDoc | undefined {
  return declared.get(handler);
}

function refuseUnknown(given: readonly string[], known: readonly string[]): void {
  const field = given.find((name) => !known.includes(name));
  if (field === undefined) return;
  const taken = known.length === 0 ? "takes no parameters" : `takes ${known.join(", ")}`;
  throw new HttpProblem("UNKNOWN_PARAMETER", `There is no such parameter: this path ${taken}.`, {
    field: field.slice(0, 64),
  });
}
