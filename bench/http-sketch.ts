/**
 * The peer of `http-accept.ts`, as a process of its own: a token verified, JSON parsed, one gathered
 * send in flight, acknowledged by all replicas, 202. No rules, no sealing, no protobuf, no limits.
 *
 *     bun bench/http-sketch.ts BROKERS TOPIC     prints `ready URL`
 */
import { Hono } from "hono";
import { jwtVerify } from "jose";
import { Kafka, logLevel, type Message } from "kafkajs";
import { jwtSecret } from "./environment.ts";

const [brokers = "", topic = ""] = process.argv.slice(2);
const kafka = new Kafka({
  clientId: "sketch",
  brokers: brokers.split(","),
  logLevel: logLevel.NOTHING,
});
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
await producer.connect();

let waiting: Message[] = [];
let last: Promise<unknown> = Promise.resolve();
let next: Promise<unknown> | undefined;

/** Resolves with the send that took the message along. */
function send(message: Message): Promise<unknown> {
  waiting.push(message);
  next ??= last.then(() => {
    const messages = waiting;
    waiting = [];
    next = undefined;
    last = producer.send({ topic, messages, acks: -1 });
    return last;
  });
  return next;
}

const secret = new TextEncoder().encode(jwtSecret);
const app = new Hono();
app.post("/v1/escrows", async (c) => {
  const token = (c.req.header("Authorization") ?? "").slice("Bearer ".length);
  const { payload } = await jwtVerify(token, secret, { issuer: "app", audience: "app" });
  const body = await c.req.json();
  const key = crypto.randomUUID();
  await send({ key, value: JSON.stringify({ ...body, actor: payload.sub, key }) });
  return c.json({ commandId: key, status: "pending" }, 202);
});
const server = Bun.serve({ port: 0, fetch: app.fetch });
console.log(`ready ${server.url.origin}`);
