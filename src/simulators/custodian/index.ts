/**
 * A custodian of our own, over real HTTP, by the contract in docs/custodian-api.md: keeps its book
 * over a toy chain, sends signed webhooks, and fails when told to. It moves no money and its
 * secrets protect nothing.
 */
import { type Book, createBook } from "./book.ts";
import { createDeliveries, type Disturbance, type Webhooks } from "./deliveries.ts";
import { createKeys } from "./idempotency.ts";
import { Refusal } from "./refusal.ts";
import { route } from "./routes.ts";
import { type Credentials, checkRequest } from "./signatures.ts";

export { mine, receive, reorganise } from "./chain.ts";
export { judge } from "./payouts.ts";
export { signWebhook } from "./signatures.ts";

/** before: a saved 500, nothing done. after: a saved 500, done. lost: done, the answer unreadable. */
export type Fault = "before" | "after" | "lost" | "busy" | "stall";

export interface CustodianSimulatorOptions {
  readonly credentials: Credentials;
  readonly port?: number;
  readonly chainId?: string;
  readonly live?: boolean;
  readonly now?: () => Date;
  /** Real time, of which signatures are; the book's unless told otherwise. */
  readonly wall?: () => Date;
  readonly webhooks?: Webhooks;
}

export interface CustodianSimulator {
  readonly url: string;
  readonly book: Book;
  /** The next `times` POSTs whose body contains `holding` fail so. */
  fail(fault: Fault, holding: string, times?: number): void;
  /** The next `times` answers to `route` say this of the object instead: "POST /v1/withdrawals". */
  lie(route: string, says: Readonly<Record<string, unknown>>, times?: number): void;
  disturb(how: Disturbance | undefined): void;
  aim(webhooks: Webhooks): void;
  /** Sends what webhooks wait. */
  flush(): Promise<void>;
  waiting(): number;
  stop(): Promise<void>;
}

const stallMs = 3_000;

export function startCustodianSimulator(options: CustodianSimulatorOptions): CustodianSimulator {
  const { now = () => new Date(), chainId = "8453", live = false, port = 0, credentials } = options;
  const { wall = now } = options;
  const deliveries = createDeliveries(wall);
  if (options.webhooks !== undefined) deliveries.aim(options.webhooks);
  const book = createBook({ now, chainId, live, onEvent: deliveries.queue });
  const keys = createKeys(now);
  let faults: { readonly fault: Fault; readonly holding: string; left: number }[] = [];

  const lies: { readonly route: string; readonly says: object; left: number }[] = [];

  /** What stands there, or what was ordered to be said of it. */
  function told(route: string, body: string): string {
    const lie = lies.find((each) => each.left > 0 && route.startsWith(each.route));
    if (lie === undefined) return body;
    lie.left -= 1;
    return JSON.stringify({ ...(JSON.parse(body) as object), ...lie.says });
  }

  function takeFault(body: string): Fault | undefined {
    const met = faults.find(({ holding }) => body.includes(holding));
    if (met === undefined) return undefined;
    met.left -= 1;
    faults = faults.filter(({ left }) => left > 0);
    return met.fault;
  }

  async function answer(request: Request): Promise<Response> {
    const bytes = new Uint8Array(await request.arrayBuffer());
    checkRequest(request, bytes, credentials, wall());
    const url = new URL(request.url);
    const name = `${request.method} ${url.pathname}`;
    if (request.method === "GET") {
      const { status, value } = route(book, { method: "GET", url, body: null });
      return new Response(told(name, JSON.stringify(value)), { status });
    }
    const body = new TextDecoder().decode(bytes);
    const key = request.headers.get("Idempotency-Key");
    if (!key) throw new Refusal(400, "KEY_REQUIRED");
    const asked = `${url.pathname} ${body}`;
    const kept = keys.find(key, asked);
    if (kept === "other") throw new Refusal(422, "KEY_REUSED");
    if (kept !== undefined) {
      const headers = { "Idempotent-Replayed": "true" };
      return new Response(kept.body, { status: kept.status, headers });
    }
    const fault = takeFault(body);
    if (fault === "busy") {
      return new Response("{}", { status: 429, headers: { "Retry-After": "7" } });
    }
    const execute = () => route(book, { method: "POST", url, body: JSON.parse(body) });
    const broken = { status: 500, body: JSON.stringify({ code: "INTERNAL" }) };
    if (fault === "before") {
      keys.keep(key, asked, broken);
      return new Response(broken.body, { status: 500 });
    }
    const { status, value } = execute();
    const reply = { status, body: JSON.stringify(value) };
    keys.keep(key, asked, fault === "after" ? broken : reply);
    if (fault === "after") return new Response(broken.body, { status: 500 });
    if (fault === "lost") return new Response("<html>", { status: 200 });
    if (fault === "stall") await new Promise((resolve) => setTimeout(resolve, stallMs));
    return new Response(told(name, reply.body), { status });
  }

  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    fetch: (request) => answer(request).catch(refused),
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    book,
    fail: (fault, holding, times = 1) => {
      faults.push({ fault, holding, left: times });
    },
    lie: (route, says, times = 1) => {
      lies.push({ route, says, left: times });
    },
    disturb: deliveries.disturb,
    aim: deliveries.aim,
    flush: deliveries.flush,
    waiting: deliveries.waiting,
    stop: async () => {
      await server.stop(true);
    },
  };
}

function refused(error: unknown): Response {
  if (error instanceof Refusal) {
    return new Response(JSON.stringify({ code: error.code }), { status: error.status });
  }
  if (error instanceof SyntaxError) return new Response('{"code":"INVALID"}', { status: 400 });
  throw error;
}
