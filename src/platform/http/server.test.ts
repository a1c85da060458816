import { afterEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { TransientError } from "../errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createHealth } from "../workers/health.ts";
import { createAuth } from "./auth.ts";
import { readBytes } from "./body.ts";
import { HttpProblem } from "./problem.ts";
import { type HttpServer, serve } from "./serve.ts";
import { createHttp } from "./server.ts";
import { mintToken } from "./token.ts";

const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const known = { issuer: "app", audience: "app" };
let nowMs = 0;
const clock = {
  now: () => new Date(),
  wall: () => new Date(),
  monotonicMs: () => nowMs,
  offsetMs: () => 0n,
  sleep: async () => new Promise<void>(() => undefined),
};
const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
const noteAs = (level: string) => (fields: object, message: string) => {
  lines.push({ level, fields: { ...fields }, message });
};
const logger: Logger = {
  debug: noteAs("debug"),
  info: noteAs("info"),
  warn: noteAs("warn"),
  error: noteAs("error"),
  child: () => logger,
};

function build() {
  lines.length = 0;
  const auth = createAuth({ keys: { secret }, ...known, clock });
  const health = createHealth({ clock });
  const rateLimit = { perSecond: 10, burst: 5 };
  const app = createHttp({ auth, health, logger, clock, rateLimit });
  app.get("/v1/things/:id", (c) => c.json({ id: c.req.param("id") }));
  app.post("/v1/things/:id/do", (c) => c.json({}));
  app.post("/v1/webhooks/sandbox", async (c) => {
    await readBytes(c.req.raw, 1_000);
    return c.json({});
  });
  app.get("/v1/fails/:how", (c) => {
    throw failures[c.req.param("how")];
  });
  return { app, health };
}

const failures: Record<string, Error> = {
  transient: new TransientError("connect ECONNREFUSED db.internal:5432"),
  database: Object.assign(new Error("SELECT secret FROM t"), { code: "57P01" }),
  unknown: new Error("SELECT secret FROM t at db.internal"),
  known: new HttpProblem("ESCROW_LOCKED", "A dispute is open.", { field: "x" }),
};

async function token(sub = "alice", ...roles: string[]): Promise<{ Authorization: string }> {
  return {
    Authorization: `Bearer ${await mintToken({ secret, sub, roles, ...known, ttl: 60 })}`,
  };
}

// bad input B7
test.each(["a b", "x\r\nSet-Cookie: y", "é", "a".repeat(65), "<script>", "", "%0d%0a"])(
  "B7: the correlation id %j is replaced, never echoed",
  async (given) => {
    const headers = new Headers();
    try {
      headers.set("X-Correlation-Id", given);
    } catch {
      return expect(given).toMatch(/[\r\n]/);
    }
    const response = await build().app.request("/healthz", { headers });
    const correlationId = response.headers.get("X-Correlation-Id") ?? "";
    expect(correlationId).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(correlationId).not.toBe(given);
  },
);

test("a good correlation id comes back, in problems too", async () => {
  const headers = { ...(await token()), "X-Correlation-Id": "order-7_a" };
  const response = await build().app.request("/v1/nothing", { headers });
  expect(response.headers.get("X-Correlation-Id")).toBe("order-7_a");
  expect(await response.json()).toMatchObject({ correlationId: "order-7_a", code: "NOT_FOUND" });
});

// bad input B26
test.each([
  ["PUT", "/v1/things/1", "GET, HEAD"],
  ["OPTIONS", "/v1/things/1", "GET, HEAD"],
  ["DELETE", "/v1/things/1", "GET, HEAD"],
  ["GET", "/v1/things/1/do", "POST"],
  ["HEAD", "/v1/things/1/do", "POST"],
  ["PATCH", "/healthz", "GET, HEAD"],
])("B26: %s %s is 405 and says %s", async (method, path, allow) => {
  const response = await build().app.request(path, { method, headers: await token() });
  expect(response.status).toBe(405);
  expect(response.headers.get("Allow")).toBe(allow);
});

test("B26: a method override header changes nothing", async () => {
  const headers = {
    ...(await token()),
    "X-HTTP-Method-Override": "GET",
    "X-Method-Override": "GET",
  };
  const init = { method: "POST", headers };
  expect((await build().app.request("/v1/things/1", init)).status).toBe(405);
  const url = "/v1/things/1?_method=GET";
  expect((await build().app.request(url, init)).status).toBe(405);
});

test("B26: HEAD answers as GET without a body", async () => {
  const init = { method: "HEAD", headers: await token() };
  const response = await build().app.request("/v1/things/1", init);
  expect([response.status, await response.text()]).toEqual([200, ""]);
});

// bad input B27
test.each([
  ["known", 409, "ESCROW_LOCKED"],
  ["transient", 503, "UNAVAILABLE"],
  ["database", 503, "UNAVAILABLE"],
  ["unknown", 500, "INTERNAL"],
])("B27: a %s failure is %i %s without inner text", async (how, status, code) => {
  const headers = await token();
  const response = await build().app.request(`/v1/fails/${how}`, { headers });
  const text = await response.text();
  expect(response.status).toBe(status);
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
  expect(JSON.parse(text)).toMatchObject({
    status,
    code,
    type: `urn:problem:${code.toLowerCase()}`,
  });
  expect(text).not.toMatch(/secret|db\.internal|SELECT|\.ts/);
  if (status === 503) expect(response.headers.get("Retry-After")).toBe("1");
});

test("every answer carries the security headers", async () => {
  for (const path of ["/healthz", "/v1/things/1", "/nothing"]) {
    const { headers } = await build().app.request(path);
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Content-Security-Policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("Cache-Control")).toBe("no-store");
  }
});

// bad input B24
test("B24: one caller's burst is 429 with Retry-After, others are not touched", async () => {
  const { app } = build();
  const call = async (sub: string) => app.request("/v1/things/1", { headers: await token(sub) });
  for (let index = 0; index < 5; index += 1) expect((await call("alice")).status).toBe(200);
  const refused = await call("alice");
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect((await call("bob")).status).toBe(200);
  nowMs += 100;
  expect((await call("alice")).status).toBe(200);
  expect((await call("alice")).status).toBe(429);
});

test("webhooks need no token, everything else under /v1 and /sandbox does", async () => {
  const { app } = build();
  expect((await app.request("/v1/webhooks/sandbox", { method: "POST" })).status).toBe(200);
  for (const path of ["/v1/things/1", "/v1/nothing", "/sandbox/clock/advance", "/v1/webhooks"]) {
    expect((await app.request(path)).status).toBe(401);
  }
});

test("readiness names each check, 503 while one fails; the reason is for operators", async () => {
  const { app, health } = build();
  const remove = health.register("log", async () => {
    throw new Error("silent", { cause: new Error("10.0.0.7:9092 does not answer") });
  });
  const shown = { status: "not ready", checks: { log: "silent" } };
  const strangers = [{}, await token("alice", "buyer"), { Authorization: "Bearer a.b.c" }];
  for (const headers of strangers) {
    const response = await app.request("/readyz", { headers });
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual(shown);
  }
  for (const role of ["admin", "auditor"]) {
    const response = await app.request("/readyz", { headers: await token("root", role) });
    expect(await response.json()).toEqual({
      ...shown,
      reasons: { log: "10.0.0.7:9092 does not answer" },
      notices: [],
    });
  }
  remove();
  expect((await app.request("/readyz")).status).toBe(200);
});

test("invariant I12: a request's line holds neither token nor query", async () => {
  const headers = await token();
  await build().app.request("/v1/things/1?note=CANARY", { headers });
  const written = JSON.stringify(lines);
  expect(lines.filter(({ message }) => message === "request")).toHaveLength(1);
  expect(written).not.toContain("CANARY");
  expect(written).not.toContain(headers.Authorization.slice(7));
});

let running: HttpServer | undefined;
afterEach(async () => {
  await running?.stop(0);
  running = undefined;
});

/** What a server answers to bytes no client library would send. */
async function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (bytes) => {
      answer += bytes.toString();
      if (answer.includes("\r\n\r\n")) socket.end();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

function listen(): number {
  running = serve({ app: build().app, port: 0, hostname: "127.0.0.1" });
  return running.port;
}

// bad input B7, B8 (measured M16)
test.each([
  [
    "CL and TE",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "400",
  ],
  [
    "two lengths",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "400",
  ],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", "400"],
  ["a header of 20 KB", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, "431"],
])("B8: %s is refused", async (_name, text, status) => {
  expect((await raw(listen(), text)).split(" ")[1]).toBe(status);
});

test.each(["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"])(
  "a body that is cut off after %j is its sender's mistake, not a failure of ours",
  async (text) => {
    const head = "POST /v1/webhooks/sandbox HTTP/1.1\r\nHost: a\r\n";
    const socket = connect(listen(), "127.0.0.1", () => socket.write(head + text));
    await Bun.sleep(50);
    socket.destroy();
    const served = () => lines.find(({ message }) => message === "request");
    for (let tries = 0; served() === undefined && tries < 100; tries += 1) await Bun.sleep(20);
    expect(served()?.fields).toMatchObject({ status: 400 });
    expect(lines.map(({ level }) => level)).toEqual(["debug", "info"]);
  },
);

test("B16: two Authorization headers are 401 over a real socket", async () => {
  const { Authorization } = await token();
  const lines = ["GET /v1/things/1 HTTP/1.1", "Host: a", `Authorization: ${Authorization}`];
  const port = listen();
  const send = async (...more: string[]) =>
    (await raw(port, [...lines, ...more, "", ""].join("\r\n"))).split(" ")[1];
  expect(await send()).toBe("200");
  expect(await send(`Authorization: ${Authorization}`)).toBe("401");
});

test("a body above every limit is cut by the server", async () => {
  const url = `http://127.0.0.1:${listen()}/v1/webhooks/sandbox`;
  const response = await fetch(url, { method: "POST", body: "a".repeat(1_100_000) });
  expect(response.status).toBe(413);
});

test("what is above every limit is told the limit of its route", async () => {
  const port = listen();
  const refusal = async (path: string) => {
    const body = "a".repeat(1_100_000);
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body });
    return response.json();
  };
  const detail = (bytes: number) => ({ detail: `The body may have at most ${bytes} bytes.` });
  expect(await refusal("/v1/things/1/do")).toMatchObject(detail(65_536));
  expect(await refusal("/v1/webhooks/sandbox")).toMatchObject(detail(262_144));
});

test("who asks for nothing in particular is sent to the reference", async () => {
  const response = await build().app.request("/");
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ detail: expect.stringContaining("/docs") });
});

test("stopping lets a request in flight finish and takes no new one", async () => {
  let finish: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const app = {
    fetch: async () => {
      await held;
      return new Response("done");
    },
  };
  const server = serve({ app, port: 0, hostname: "127.0.0.1" });
  const url = `http://127.0.0.1:${server.port}/`;
  const inFlight = fetch(url);
  await Bun.sleep(50);
  const stopped = server.stop(5_000);
  await expect(fetch(url)).rejects.toThrow();
  finish();
  expect(await (await inFlight).text()).toBe("done");
  await stopped;
});
