/**
 * The headers a handler may read, and the only way to read them: a route that does not declare one
 * cannot see it, so that the reference names every header that means something.
 */
import type { Context } from "hono";
import type { HttpEnv } from "../../module.ts";
import { HttpProblem } from "../problem.ts";

/** What each means, for the reference. */
export const headerMeanings = {
  "Idempotency-Key":
    "1 to 255 printable characters of your own: the same key and body meet the first outcome.",
  Prefer: "wait=5 waits up to five seconds for the outcome, wait=30 at most.",
  "If-Match": 'The version the escrow must have, in quotes: "4". 412 when it moved.',
} as const;

export type DeclaredHeader = keyof typeof headerMeanings;

export type DeclaredHeaders = Readonly<Partial<Record<DeclaredHeader, "required" | "optional">>>;

/** Of a command that is on the log at once. */
export const commandHeaders: DeclaredHeaders = {
  "Idempotency-Key": "required",
  Prefer: "optional",
};
/** Of a wish a second operator approves: nobody waits for him. */
export const wishHeaders: DeclaredHeaders = { "Idempotency-Key": "required" };

const declared = new WeakMap<Request, DeclaredHeaders>();

/** Before the handler runs. What would be ignored, though it was to protect the caller, is refused. */
export function declareHeaders(c: Context<HttpEnv>, headers: DeclaredHeaders): void {
  declared.set(c.req.raw, headers);
  const reads = c.req.method === "GET" || c.req.method === "HEAD";
  if (reads || "If-Match" in headers || c.req.header("If-Match") === undefined) return;
  throw new HttpProblem(
    "IF_MATCH_UNSUPPORTED",
    "Nothing here is held to a version: leave If-Match out.",
    { field: "If-Match" },
  );
}

/** Undefined where it was not sent; throws where the route does not declare it. */
export function headerOf(c: Context<HttpEnv>, name: DeclaredHeader): string | undefined {
  if (!(name in (declared.get(c.req.raw) ?? {}))) {
    throw new Error(`${c.req.method} ${c.req.path} reads ${name} and does not declare it`);
  }
  return c.req.header(name);
}
