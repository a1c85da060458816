/**
 * The HTTP side: who asks, under which key, and what the answer looks like on the wire, faults
 * included. A request's effect and its saved reply are made in one go, without waiting in between.
 */
import type { Book } from "./book.ts";
import type { Control } from "./control.ts";
import type { FaultRule, Faults } from "./faults.ts";
import { decodeForm, type Form } from "./form.ts";
import type { Keys, Reply } from "./idempotency.ts";
import { errorBody, Refusal } from "./refusal.ts";
import { type Found, findRoute } from "./routes.ts";

export interface ApiParts {
  readonly book: Book;
  readonly faults: Faults;
  readonly keys: Keys;
  readonly control: Control;
}

const keyPattern = /^Bearer (sk|rk)_(test|live)_\S+$/;

export function createApi(parts: ApiParts): (request: Request) => Promise<Response> {
  return async (request) => {
    const url = new URL(request.url);
    const text = await request.text();
    if (url.pathname.startsWith("/_simulator/")) return steer(parts, url.pathname, text);
    try {
      assertKey(request, parts.book);
      return await answer(parts, request, { path: url.pathname, form: formOf(url, text), text });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return responseOf(refusalReply(error));
    }
  };
}

function formOf(url: URL, text: string): Form {
  return decodeForm(text === "" ? url.search.slice(1) : text);
}

function assertKey(request: Request, { live }: Book): void {
  const [, , mode] = keyPattern.exec(request.headers.get("authorization") ?? "") ?? [];
  if (mode === (live ? "live" : "test")) return;
  throw new Refusal("Invalid API Key provided", { status: 401 });
}

interface Given {
  readonly path: string;
  readonly form: Form;
  readonly text: string;
}

async function answer(parts: ApiParts, request: Request, given: Given): Promise<Response> {
  const { book, faults, keys } = parts;
  const found = findRoute(request.method, given.path);
  const account = request.headers.get("stripe-account") ?? undefined;
  const asked = { form: given.form, account };
  if (faults.takeAtDoor(found.name, given.form)) return responseOf(refusalReply(wrongKey));
  const key = request.method === "POST" ? request.headers.get("idempotency-key") : null;
  const saved = key === null ? undefined : keys.begin(key, `${given.path} ${given.text}`);
  if (saved !== undefined) return responseOf(saved);
  const fault = faults.take(found.name, given.form);
  const { reply, executed } = execute(fault, () => run(found, book, asked));
  if (key !== null) keys.end(key, executed ? reply : undefined);
  return spoilt(fault, reply);
}

interface Executed {
  readonly reply: Reply;
  /** It began to execute: the reply is the key's for a day. */
  readonly executed: boolean;
}

function run(found: Found, book: Book, asked: Parameters<Found["run"]>[1]): Executed {
  try {
    const body = JSON.stringify(found.run(book, asked));
    return { reply: { status: 200, body }, executed: true };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { reply: refusalReply(error), executed: error.options.executed === true };
  }
}

const serverError = new Refusal("An error occurred", { status: 500, type: "api_error" });

const wrongKey = new Refusal("Expired API Key", { status: 401, code: "api_key_expired" });

function execute(fault: FaultRule | undefined, work: () => Executed): Executed {
  switch (fault?.kind) {
    case "conflict": {
      const refusal = new Refusal("Locked", { status: 409, code: "lock_timeout" });
      return { reply: refusalReply(refusal), executed: false };
    }
    case "rate_limit": {
      const refusal = new Refusal("Too many", { status: 429, code: "rate_limit" });
      const headers = { "Retry-After": String(fault.retryAfter ?? 1) };
      return { reply: { ...refusalReply(refusal), headers }, executed: false };
    }
    case "error_before":
      return { reply: refusalReply(serverError), executed: true };
    case "error_after":
      work();
      return { reply: refusalReply(serverError), executed: true };
    default:
      return work();
  }
}

/** The effect stands and its reply is saved; what comes over the wire is another matter. */
async function spoilt(fault: FaultRule | undefined, reply: Reply): Promise<Response> {
  switch (fault?.kind) {
    case "timeout_after":
      await new Promise(() => undefined);
      return responseOf(reply);
    case "cut_after":
      return new Response(cutStream(), { headers: { "Content-Type": "application/json" } });
    case "unreadable":
      return new Response("<html>gateway</html>", { status: 200 });
    case "untrue":
      return responseOf({ ...reply, body: untrue(reply.body, fault.says ?? {}) });
    default:
      return responseOf(reply);
  }
}

function untrue(body: string, says: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...(JSON.parse(body) as object), ...says });
}

/** Ends in the middle: the connection is closed on the reader. */
function cutStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      controller.enqueue(new TextEncoder().encode("{"));
      await new Promise((resolve) => setTimeout(resolve, 1));
      controller.error(new Error("cut on request"));
    },
  });
}

let requests = 0;

function responseOf({ status, body, headers = {} }: Reply): Response {
  requests += 1;
  return new Response(body, {
    status,
    headers: {
      "Content-Type": "application/json",
      "Request-Id": `req_${requests}`,
      ...headers,
    },
  });
}

function refusalReply(refusal: Refusal): Reply {
  return { status: refusal.options.status ?? 400, body: JSON.stringify(errorBody(refusal)) };
}

function steer({ control }: ApiParts, path: string, text: string): Response {
  const name = path.slice("/_simulator/".length);
  if (!Object.hasOwn(control, name))
    return Response.json({ error: "no such action" }, { status: 404 });
  const action = control[name as keyof Control] as (given: unknown) => object;
  try {
    return Response.json(action(text === "" ? {} : JSON.parse(text)));
  } catch (error) {
    const message = error instanceof Error ? error.message : "refused";
    return Response.json({ error: message }, { status: 400 });
  }
}
