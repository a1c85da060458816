/**
 * Bytes of which two servers could make two things: one answer at most, the connection is over, nothing
 * is stored. Much of it the runtime decides before a request is one; so the compiled program is asked too.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mintToken } from "#platform/http/token";
import { startAppWith } from "../support/app.ts";
import { emptyPlace } from "../support/binary.ts";
import { killAll, startApp } from "../support/processes.ts";
import { type Manner, speak } from "../support/raw-socket.ts";

const secret = "a secret for tests, thirty-two bytes and more";
const body = JSON.stringify({
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
});
const bytes = `Content-Length: ${body.length}`;
const pieces = "Transfer-Encoding: chunked";
const inPieces = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const greeting = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const healthz = (...headers: string[]) =>
  ["GET /healthz HTTP/1.1", ...headers, "", ""].join("\r\n");

let token = "";
/** A whole order to sell, but for what is wrong with it. */
const order = (
  headers: readonly string[],
  content: string,
  { line = "POST /v1/escrows HTTP/1.1", host = "Host: a" } = {},
) =>
  [
    line,
    ...(host === "" ? [] : [host]),
    `Authorization: Bearer ${token}`,
    "Content-Type: application/json",
    `Idempotency-Key: ${crypto.randomUUID()}`,
    ...headers,
    "",
    content,
  ].join("\r\n");

/** [what is sent, the bytes, the answer] */
const refused: [string, () => string | Uint8Array, number][] = [
  ["a length and pieces", () => order([bytes, pieces], `0\r\n\r\n${order([bytes], body)}`), 400],
  ["pieces and a length", () => order([pieces, bytes], inPieces), 400],
  ["two lengths", () => order([bytes, "Content-Length: 3"], body), 400],
  ["the same length twice", () => order([bytes, bytes], body), 400],
  ["a list of lengths", () => order([`${bytes}, ${body.length}`], body), 400],
  ["a length with a sign", () => order([`Content-Length: +${body.length}`], body), 400],
  ["a length below nothing", () => order(["Content-Length: -1"], body), 400],
  ["a length in hex", () => order([`Content-Length: 0x${body.length.toString(16)}`], body), 400],
  ["a length beyond all numbers", () => order([`Content-Length: ${"9".repeat(30)}`], body), 400],
  ["a blank before the colon", () => order([`Content-Length : ${body.length}`], body), 400],
  ["pieces that are not the last coding", () => order([`${pieces}, identity`], inPieces), 400],
  ["pieces of something packed", () => order(["Transfer-Encoding: gzip, chunked"], inPieces), 400],
  ["a coding nobody knows", () => order(["Transfer-Encoding: xchunked"], inPieces), 400],
  ["pieces twice", () => order([pieces, pieces], inPieces), 400],
  [
    "pieces in HTTP/1.0",
    () => order([pieces], inPieces, { line: "POST /v1/escrows HTTP/1.0" }),
    400,
  ],
  ["a piece without a size", () => order([pieces], `zz\r\n${inPieces}`), 400],
  ["a piece below nothing", () => order([pieces], `-${inPieces}`), 400],
  ["a piece's size with 0x", () => order([pieces], `0x${inPieces}`), 400],
  ["a piece beyond all numbers", () => order([pieces], `ffffffffffffffff${inPieces}`), 400],
  ["a piece longer than it says", () => order([pieces], `2\r\n${body}\r\n0\r\n\r\n`), 400],
  ["pieces with bare line feeds", () => order([pieces], inPieces.replaceAll("\r\n", "\n")), 400],
  ["a folded header", () => order([bytes, "X-A: b\r\n c"], body), 400],
  ["a bare line feed in a header", () => order([bytes, "X-A: b\nX-B: c"], body), 400],
  ["a bare carriage return in a header", () => order([bytes, "X-A: b\rX-B: c"], body), 400],
  ["NUL in a header", () => order([bytes, "X-A: b\0c"], body), 400],
  ["NUL in a header's name", () => order([bytes, "X\0A: b"], body), 400],
  ["a header without a colon", () => order([bytes, "XA b"], body), 400],
  ["a header of 20 KB", () => order([bytes, `X: ${"a".repeat(20_000)}`], body), 431],
  ["a target of 20 KB", () => healthz("Host: a").replace("healthz", "a".repeat(20_000)), 431],
  [
    "300 headers",
    () => order([bytes, ...Array.from({ length: 300 }, (_, n) => `X-${n}: a`)], body),
    431,
  ],
  ["no Host", () => order([bytes], body, { host: "" }), 400],
  ["an empty Host", () => order([bytes], body, { host: "Host:" }), 400],
  ["two Hosts", () => order([bytes, "Host: b"], body), 400],
  ["the same Host twice", () => order([bytes, "Host: a"], body), 400],
  ["a Host with a path", () => order([bytes], body, { host: "Host: a/b?c" }), 400],
  ["no Host in HTTP/1.0", () => "GET /healthz HTTP/1.0\r\n\r\n", 400],
  ["CONNECT", () => "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["an absolute form of another scheme", () => healthz("Host: a").replace("/", "ftp://a/"), 400],
  ["the preface of HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 400],
  [
    "a hello of TLS",
    () => Buffer.concat([Buffer.from("160301020001000001fc0303", "hex"), Buffer.alloc(505, 0xaa)]),
    400,
  ],
  ["HTTP/0.9", () => "GET /healthz\r\n\r\n", 505],
  ["HTTP/2 in words", () => greeting.replace("1.1", "2.0"), 505],
  ["bare line feeds throughout", () => greeting.replaceAll("\r\n", "\n"), 505],
];

/** What is to be closed is waited for. */
const patient = { patienceMs: 10_000 };

/** [who is slow, what comes first, what drips] */
const slow: [string, string, Manner][] = [
  ["silence", "", {}],
  ["half a header", "GET /healthz HTTP/1.1\r\nHost: a\r\nX", {}],
  ["a header letter by letter", "GET /healthz HTTP/1.1\r\nHost: a\r\nX", { drip: "a" }],
  [
    "a body that does not come",
    `POST /v1/webhooks/sandbox HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n`,
    {},
  ],
  [
    "a body letter by letter",
    `POST /v1/webhooks/sandbox HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n`,
    { drip: "a" },
  ],
  [
    "a body piece by piece",
    `POST /v1/webhooks/sandbox HTTP/1.1\r\nHost: a\r\n${pieces}\r\n\r\n`,
    { drip: "1\r\na\r\n" },
  ],
  ["a stranger who asks for a stream", healthz("Host: a", "Accept: text/event-stream"), {}],
  ["a stranger who may wait", healthz("Host: a", "Prefer: wait=5"), {}],
];

interface Running {
  readonly url: string;
  stop(): Promise<unknown>;
}

const kinds: { kind: string; start: () => Promise<Running> }[] = [
  { kind: "from its sources", start: () => startAppWith({ JWT_SECRET: secret }) },
  {
    kind: "compiled",
    start: async () => {
      const env = { JWT_SECRET: secret, LOG_LEVEL: "warn" };
      const app = startApp(await emptyPlace(), ["--port", "0", "--memory"], env);
      return { url: await app.ready(60_000), stop: () => app.stop() };
    },
  },
];

describe.each(kinds)("the server $kind", ({ start }) => {
  let app: Running;
  let port = 0;
  beforeAll(async () => {
    const known = { sub: "alice", roles: ["buyer"], issuer: "app", audience: "app", ttl: 3_600 };
    token = await mintToken({ secret: new TextEncoder().encode(secret), ...known });
    app = await start();
    port = Number(new URL(app.url).port);
  }, 120_000);
  afterAll(async () => {
    await app?.stop();
    await killAll();
  });

  test.each(refused)(
    "B8: %s is refused with one answer and the end",
    async (_name, text, status) => {
      const { statuses, closed } = await speak(port, [text()], patient);
      expect({ statuses, closed }).toEqual({ statuses: [status], closed: true });
    },
  );

  test("B8: what is behind a body in pieces is no request", async () => {
    const stranger = `POST /v1/escrows HTTP/1.1\r\nHost: a\r\n${pieces}\r\n\r\n`;
    for (const rest of ["zz\r\n", `0\r\nX-T: 1\r\n\r\n`, `0\r\n\r\n${order([bytes], body)}`]) {
      const { statuses, closed } = await speak(port, [`${stranger}3\r\nabc\r\n`, rest], patient);
      expect({ rest, statuses, closed }).toEqual({ rest, statuses: [401], closed: true });
    }
  });

  test("B8: an order in pieces with something behind it is not carried out", async () => {
    const trailed = order([pieces], `${inPieces.slice(0, -2)}X-Sum: 1\r\n\r\n`);
    expect((await speak(port, [trailed], patient)).statuses).toEqual([400]);
    const followed = order([pieces], inPieces) + greeting;
    expect(await speak(port, [followed], patient)).toMatchObject({ statuses: [], closed: true });
  });

  test("B8: a body that is cut off gets no answer", async () => {
    for (const cut of [order([bytes], body.slice(9)), order([pieces], inPieces.slice(0, -9))]) {
      const { statuses, closed } = await speak(port, [cut], { ...patient, ends: true });
      expect({ closed, answers: statuses.length }).toEqual({ closed: true, answers: 0 });
    }
  });

  test("B8: an absolute form is its path, whoever's address it names", async () => {
    const whole = healthz("Host: a").replace("/healthz", "http://elsewhere.example/healthz");
    const { statuses, text } = await speak(port, [whole]);
    expect(statuses).toEqual([200]);
    expect(text).not.toContain("elsewhere");
  });

  test("B8: pipelined requests are answered in order, or the connection closes", async () => {
    // Without a token it is 401, so that the answers tell whose they are.
    const list = "GET /v1/escrows HTTP/1.1\r\nHost: a\r\n\r\n";
    const { statuses, closed } = await speak(port, [greeting + list + greeting], {
      patienceMs: 20_000,
    });
    expect([[200], [200, 401], [200, 401, 200]]).toContainEqual([...statuses]);
    expect(closed || statuses.length === 3).toBe(true);
  }, 40_000);

  test("B25: who is slow is cut off in bounded time, and keeps nobody waiting", async () => {
    const cut = slow.map(async ([name, first, manner]) => {
      const { closed, ms } = await speak(port, [first], { ...manner, patienceMs: 25_000 });
      return { name, closed, soon: ms < 20_000 };
    });
    await Bun.sleep(2_000);
    const begun = performance.now();
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(await Promise.all(cut)).toEqual(
      slow.map(([name]) => ({ name, closed: true, soon: true })),
    );
  }, 40_000);

  test("B8: of all this nothing was stored", async () => {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const init = {
      method: "POST",
      headers: { ...headers, "Idempotency-Key": "one", Prefer: "wait=5" },
      body,
    };
    // The list is a projection: it is asked once a later order has gone all the way.
    const later = await fetch(`${app.url}/v1/escrows`, init);
    expect(later.status).toBe(200);
    const { escrowId } = (await later.json()) as { escrowId: string };
    const listed = await fetch(`${app.url}/v1/escrows`, { headers });
    const { items } = (await listed.json()) as { items: { escrowId: string }[] };
    expect(items.map((item) => item.escrowId)).toEqual([escrowId]);
  });
});
