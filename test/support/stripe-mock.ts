/**
 * stripe-mock, Stripe's own server that holds each request against Stripe's OpenAPI description and
 * answers with fixtures, and before it a proxy that writes down what was asked and how it was
 * answered. stripe-mock remembers nothing, so a test may have answers changed on their way back, to
 * make them ours and to be asked for what follows.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGo, sourcesOf } from "./go-programs.ts";

export type Json = Readonly<Record<string, unknown>>;

export interface Asked {
  /** Method and path, an id in it as ":id". */
  readonly request: string;
  /** The names of the query's or the form's outermost members, sorted. */
  readonly parameters: readonly string[];
  /** The connected account it was asked for; "": the platform. */
  readonly account: string;
  readonly status: number;
  readonly answer: Json;
}

/** What an answer becomes on its way back, by the request. */
export type Changes = Readonly<Record<string, (answer: Json, sent: URLSearchParams) => Json>>;

export interface StripeMock {
  readonly url: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

/** None where it could not be built. */
export const stripeMocks: readonly { open(changes?: Changes): Promise<StripeMock> }[] =
  await found();

async function found() {
  const module = "stripe-mock";
  const main = "github.com/stripe/stripe-mock";
  const untested = "our requests against Stripe's own description of its API";
  const program = await buildGo({ module, main, untested });
  if (program === undefined) return [];
  const sources = await sourcesOf(module, main);
  return [{ open: (changes: Changes = {}) => openMock({ program, sources }, changes) }];
}

interface Built {
  readonly program: string;
  readonly sources: string;
}

/**
 * Stripe's description closes only the outermost members of a request, so that a misspelled one
 * further in would pass. Here what names its members has no others, wherever it stands.
 */
function closed(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closed);
  if (typeof part !== "object" || part === null) return part;
  const inside = Object.fromEntries(
    Object.entries(part).map(([name, value]) => [name, closed(value)]),
  );
  return "properties" in part ? { additionalProperties: false, ...inside } : inside;
}

async function openMock({ program, sources }: Built, changes: Changes): Promise<StripeMock> {
  const description = await Bun.file(join(sources, "embedded/openapi/spec3.json")).json();
  const folder = mkdtempSync(join(tmpdir(), "stripe-mock-"));
  const strict = join(folder, "spec3.json");
  await Bun.write(strict, JSON.stringify(closed(description)));
  // Both addresses: it takes a fixed port for the one it is not told.
  const free = "127.0.0.1:0";
  const child = Bun.spawn([program, "-spec", strict, "-http-addr", free, "-https-addr", free], {
    stdout: "pipe",
  });
  const mock = await addressIn(child.stdout).finally(() => rmSync(folder, { recursive: true }));
  const asked: Asked[] = [];
  const proxy = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const one = await forward(request, mock, changes);
      asked.push(one);
      return Response.json(one.answer, { status: one.status });
    },
  });
  return {
    url: `http://127.0.0.1:${proxy.port}`,
    asked,
    async close() {
      await proxy.stop(true);
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** The reader is not given up: with nobody at its output the program would end at its next line. */
async function addressIn(output: ReadableStream<Uint8Array>): Promise<string> {
  const reader = output.getReader();
  let said = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`stripe-mock ended: ${said}`);
    said += Buffer.from(value).toString();
    const address = /^Listening for HTTP at address: (\S+)$/m.exec(said)?.[1];
    if (address !== undefined) return `http://${address}`;
  }
}

async function forward(request: Request, mock: string, changes: Changes): Promise<Asked> {
  const { pathname, search } = new URL(request.url);
  const body = await request.text();
  const sent = new URLSearchParams(body === "" ? search : body);
  const headers = new Headers(request.headers);
  headers.delete("host");
  headers.delete("content-length");
  const { method } = request;
  const response = await fetch(`${mock}${pathname}${search}`, {
    method,
    headers,
    ...(body !== "" && { body }),
  });
  const said = (await response.json()) as Json;
  const named = `${method} ${pathname.replace(/\/[a-z]+_\w*\d\w*/g, "/:id")}`;
  const change = response.ok ? changes[named] : undefined;
  return {
    request: named,
    parameters: [...new Set([...sent.keys()].map((key) => key.replace(/\[.*/, "")))].sort(),
    account: headers.get("stripe-account") ?? "",
    status: response.status,
    answer: change === undefined ? said : change(said, sent),
  };
}
