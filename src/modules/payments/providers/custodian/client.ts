/**
 * Requests to the custodian over HTTP, and what each answer says: done, provably not done, or nobody
 * can tell. By status code; a body that cannot be read as promised is unknown, whatever its code.
 */
import type { z } from "zod";
import type { Clock } from "#platform/clock";
import type { Outcome, RefusalCode } from "../../provider.ts";
import { listOf } from "./shapes.ts";
import { type Credentials, requestHeaders } from "./sign.ts";

export interface ClientOptions {
  readonly url: string;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export interface CustodianClient {
  post<T>(path: string, body: object, key: string, schema: z.ZodType<T>): Promise<Outcome<T>>;
  get<T>(path: string, schema: z.ZodType<T>): Promise<Outcome<T>>;
  /** Every page of a list, or no answer: what is on none of them is not there. */
  list<T>(path: string, item: z.ZodType<T>): Promise<Outcome<readonly T[]>>;
}

const busyMs = 1_000;
const refusals: Readonly<Record<string, RefusalCode>> = {
  ADDRESS_NOT_APPROVED: "SELLER_NOT_READY",
  HAS_DEPOSITS: "NOT_POSSIBLE",
  NOT_FOUND: "NOT_FOUND",
};

export function createClient({
  url,
  credentials,
  clock,
  timeoutMs,
}: ClientOptions): CustodianClient {
  async function send<T>(
    method: "GET" | "POST",
    path: string,
    { body, key, schema }: { body: string; key?: string; schema: z.ZodType<T> },
  ): Promise<Outcome<T>> {
    const headers = {
      ...requestHeaders({ method, path, body }, credentials, clock.wall()),
      ...(key !== undefined && { "Content-Type": "application/json", "Idempotency-Key": key }),
    };
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers,
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
        ...(method === "POST" && { body }),
      });
      return read(response, await response.text(), schema);
    } catch (error) {
      const detail = error instanceof Error ? `${error.name}: ${error.message}` : "no answer";
      return { kind: "unknown", replayed: false, detail: detail.slice(0, 200) };
    }
  }
  async function list<T>(path: string, item: z.ZodType<T>): Promise<Outcome<readonly T[]>> {
    const until = clock.monotonicMs() + timeoutMs;
    const items: T[] = [];
    let cursor = "";
    do {
      const page = await send("GET", `${path}${cursor}`, { body: "", schema: listOf(item) });
      if (page.kind !== "succeeded") return page;
      items.push(...page.value.items);
      const { next } = page.value;
      if (next === null) return { kind: "succeeded", value: items };
      cursor = `&cursor=${encodeURIComponent(next)}`;
    } while (clock.monotonicMs() < until);
    return { kind: "unknown", replayed: false, detail: "the list has no end in time" };
  }
  return {
    post: (path, body, key, schema) =>
      send("POST", path, { body: JSON.stringify(body), key, schema }),
    get: (path, schema) => send("GET", path, { body: "", schema }),
    list,
  };
}

function read<T>(response: Response, text: string, schema: z.ZodType<T>): Outcome<T> {
  const { status, headers } = response;
  const replayed = headers.get("Idempotent-Replayed") === "true";
  const parsed = parse(text);
  if (status >= 200 && status < 300) {
    const result = schema.safeParse(parsed);
    if (result.success) return { kind: "succeeded", value: result.data };
    return { kind: "unknown", replayed, detail: `${status} with another body than promised` };
  }
  const code = codeIn(parsed);
  // The key was used with other parameters: it can never heal this call.
  if (code === "KEY_REUSED") return { kind: "unknown", replayed: true, detail: code };
  // Refused before it was looked at: the request stays what it is, the key or the clock may change.
  const afterMs = retryAfterMs(headers.get("Retry-After"));
  if (status === 401) return { kind: "retry", afterMs, outOfOrder: true };
  if (status === 409 || status === 429) return { kind: "retry", afterMs };
  if (code !== "" && (status === 400 || status === 404 || status === 422)) {
    return { kind: "refused", code: refusals[code] ?? "PROVIDER_REFUSED", detail: code };
  }
  return { kind: "unknown", replayed, detail: `status ${status}` };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function codeIn(value: unknown): string {
  if (typeof value !== "object" || value === null || !("code" in value)) return "";
  return typeof value.code === "string" ? value.code : "";
}

function retryAfterMs(header: string | null): number {
  const seconds = /^[0-9]{1,4}$/.test(header ?? "") ? Number(header) : 0;
  return Math.max(seconds * 1_000, busyMs);
}

/** The value seen with other eyes; every other outcome as it is. */
export function mapped<T, U>(outcome: Outcome<T>, view: (value: T) => U): Outcome<U> {
  return outcome.kind === "succeeded" ? { kind: "succeeded", value: view(outcome.value) } : outcome;
}

export function refusedHere(
  code: RefusalCode,
  detail: string,
): { readonly kind: "refused"; readonly code: RefusalCode; readonly detail: string } {
  return { kind: "refused", code, detail };
}
