/**
 * Binds an application to a port. Slow senders are cut after ten idle seconds; what may rightly
 * take longer (a waiting command, the test clock) says so in its request, a stream in its answer.
 */
import type { Server } from "bun";
import { AddressError, SystemicError } from "../errors.ts";
import { isChunked, refuseAmbiguous, withConnectionClose } from "./frame.ts";
import { bodyLimits, tooLarge, webhookLimits } from "./json.ts";
import { problemResponse } from "./problem.ts";

export interface ServeOptions {
  readonly app: { fetch(request: Request, server: unknown): Response | Promise<Response> };
  /** 0 picks a free one. */
  readonly port: number;
  readonly hostname: string;
}

export interface HttpServer {
  readonly port: number;
  /** Stops accepting, lets requests finish for at most `deadlineMs`, then cuts what is left. */
  stop(deadlineMs: number): Promise<void>;
}

const idleSeconds = 10;
/** Above every route's own limit; what says that it is longer is not read at all. */
const maxBodyBytes = 1_048_576;
/** The server's own answer to what is longer has no body: routes stop reading at their limits. */
const serverMaxBytes = 1_073_741_824;
const pollMs = 10;
/** What the system says of an address that is another machine's, or none at all. */
const notOurs = new Set<unknown>(["EADDRNOTAVAIL", "ENOTFOUND", "ENOTTY", "EINVAL", "EAI_AGAIN"]);
const ownAddress =
  "an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 or :: for all its networks";

export function serve({ app, port, hostname }: ServeOptions): HttpServer {
  let draining = false;
  const server = orRefused({ hostname, port }, () =>
    Bun.serve({
      port,
      hostname,
      idleTimeout: idleSeconds,
      maxRequestBodySize: serverMaxBytes,
      fetch: async (request, self) => {
        const refused = refuseAmbiguous(request);
        if (refused !== undefined) return refused;
        const chunked = isChunked(request);
        // By then the runtime has looked at all that came with the head, and refused what is no piece.
        if (chunked) await new Promise(setImmediate);
        if (Number(request.headers.get("Content-Length") ?? "0") > maxBodyBytes) {
          return problemResponse(tooLarge(limitOf(request)), crypto.randomUUID());
        }
        const seconds = patienceSeconds(request);
        if (seconds !== undefined) self.timeout(request, seconds);
        const response = await app.fetch(request, self);
        // The answer decides, not who asks: a connection without an end is for whoever was let in.
        if (isStream(response)) self.timeout(request, 0);
        else if (seconds !== undefined) self.timeout(request, idleSeconds);
        return draining || chunked ? withConnectionClose(response) : response;
      },
    }),
  );
  return {
    port: server.port ?? port,
    stop: async (deadlineMs) => {
      draining = true;
      await drain(server, deadlineMs);
    },
  };
}

function orRefused<T>({ hostname, port }: { hostname: string; port: number }, listen: () => T): T {
  try {
    return listen();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // Some names that mean nothing are told as a port in use.
    if (code === "EADDRINUSE" && isOwn(hostname)) {
      const address = `${hostname}:${port}`;
      throw new SystemicError(`${address} is in use: choose another --port, 0 picks a free one`);
    }
    if (code === "EACCES") throw new AddressError("PORT", `${port}`, "one this user may listen on");
    if (notOurs.has(code) || code === "EADDRINUSE")
      throw new AddressError("HOST", hostname, ownAddress);
    throw error;
  }
}

/** Throws AddressError where nobody can listen, whatever the port. */
export function assertOwnAddress(hostname: string): void {
  if (!isOwn(hostname)) throw new AddressError("HOST", hostname, ownAddress);
}

/** Some port is always free on an address of this machine. */
function isOwn(hostname: string): boolean {
  try {
    void Bun.serve({ hostname, port: 0, fetch: () => new Response() }).stop(true);
    return true;
  } catch {
    return false;
  }
}

/** What its route would say. */
function limitOf({ url }: Request): number {
  return (url.includes("/v1/webhooks/") ? webhookLimits : bodyLimits).maxBytes;
}

function patienceSeconds(request: Request): number | undefined {
  if (request.headers.get("Prefer")?.includes("wait")) return 40;
  return request.url.includes("/sandbox/") ? 90 : undefined;
}

function isStream({ headers }: Response): boolean {
  return headers.get("Content-Type")?.startsWith("text/event-stream") ?? false;
}

async function drain(server: Server<undefined>, deadlineMs: number): Promise<void> {
  // Not awaited: it also waits for idle keep-alive connections, which may never end.
  void server.stop();
  const until = performance.now() + deadlineMs;
  while (server.pendingRequests > 0 && performance.now() < until) await Bun.sleep(pollMs);
  void server.stop(true);
}
