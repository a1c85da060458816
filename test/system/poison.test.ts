/**
 * Poison on every topic that is read, in every partition: each message is set aside with its story,
 * once per reader, a copy stands on the dead letter topic, and a sale that starts afterwards finishes.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import { openPostgres } from "#platform/database/postgres";
import type { EventLog, LogRecord, NewRecord } from "#platform/messaging/event-log";
import { createKafkaLog } from "#platform/messaging/kafka/log";
import { createTableLog } from "#platform/messaging/table/log";
import { silentLogger } from "#platform/telemetry/logger";
import { emptyPlace } from "../support/binary.ts";
import { freshPostgres } from "../support/databases.ts";
import { eventually, unique } from "../support/logs.ts";
import { createMarket } from "../support/market.ts";
import { killAll, runApp, startApp, verify } from "../support/processes.ts";

afterAll(killAll);

const secret = "a secret for this test, thirty-two bytes";

/** Who reads each topic, by schema. */
const readers: readonly (readonly [topic: string, schema: string, consumer: string])[] = [
  ["escrow.commands.v1", "escrow", "escrow.commands"],
  ["escrow.commands.v1", "projections", "projections.escrow-commands"],
  ["escrow.events.v1", "projections", "projections.escrow-events"],
  ["payments.commands.v1", "payments", "payments.commands"],
  ["payments.events.v1", "escrow", "escrow.payments-events"],
  ["payments.events.v1", "projections", "projections.payments-events"],
  ["webhook.events.v1", "payments", "payments.webhooks"],
  ["contracts.events.v1", "escrow", "escrow.contracts-events"],
];
const topics = [...new Set(readers.map(([topic]) => topic))];

/** Bytes of no message, a message that says nothing, and one whose copy cannot be whole. */
function poison(topic: string): NewRecord[] {
  const of = (key: string, value: Uint8Array): NewRecord => ({
    topic,
    key,
    value,
    headers: { "message-id": key, "message-type": "poison" },
  });
  return [
    // So many keys that every partition has one.
    ...Array.from({ length: 40 }, (_, n) => of(`bytes-${n}`, Buffer.from([0xff, n]))),
    of("empty", Buffer.alloc(0)),
    of("oversized", Buffer.alloc(1_000_000, 0xff)),
    { topic, key: "stranger", value: Buffer.from("{}"), headers: {} },
  ];
}

const kinds = [
  { name: "tables of PostgreSQL", brokers: undefined },
  ...(process.env.KAFKA_BROKERS ? [{ name: "Kafka", brokers: process.env.KAFKA_BROKERS }] : []),
];

describe.each([...kinds])("poison in $name", ({ brokers }) => {
  test("is set aside with its story, and a sale afterwards finishes", async () => {
    const [place, postgres] = await Promise.all([emptyPlace(), freshPostgres()]);
    const db = openPostgres({ url: postgres.url, max: 4 });
    const topicPrefix = `${unique("poison")}.`;
    const env = {
      DATABASE_URL: postgres.url,
      ...(brokers && { KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: topicPrefix }),
      JWT_SECRET: secret,
      DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
      LOG_LEVEL: "error",
    };
    const log: EventLog = brokers
      ? createKafkaLog({
          brokers: brokers.split(","),
          clientId: "poison",
          naming: { prefix: topicPrefix },
          logger: silentLogger,
        })
      : createTableLog({
          db,
          clock: createSystemClock(),
          memberId: "poison",
          logger: silentLogger,
        });
    try {
      expect((await runApp(place, ["migrate"], env)).code).toBe(0);
      expect((await runApp(place, ["topics"], env)).code).toBe(0);
      const app = startApp(place, ["--port", "0"], env);
      const url = await app.ready(60_000);
      const market = createMarket({ url: () => url, secret, patienceMs: 30_000 });
      await market.sell();

      const produced = new Map<string, readonly NewRecord[]>();
      const producer = log.createProducer();
      for (const topic of topics) {
        const records = poison(topic);
        for (const record of records) await producer.send([record]);
        produced.set(topic, records);
      }
      await producer.close();

      for (const [topic, schema, consumer] of readers) {
        const records = produced.get(topic) ?? [];
        const set = () => parked(schema, consumer);
        await eventually(async () => (await set()).length >= records.length, 30_000);
        const rows = await set();
        expect(rows.map(({ key }) => key).sort()).toEqual(records.map(({ key }) => key).sort());
        for (const row of rows) {
          expect(row).toMatchObject({ topic, state: "dead" });
          expect(row.cause).not.toBe("");
          const given = records.find(({ key }) => key === row.key);
          expect(Buffer.from(row.value).equals(given?.value ?? Buffer.from("?"))).toBe(true);
        }
        const copies = () => copiesOf(topic, consumer);
        await eventually(async () => (await copies()).length >= records.length, 30_000);
        for (const copy of await copies()) expectStory(copy, rows);
      }

      await market.sell();
      await Promise.all(Array.from({ length: 5 }, () => market.sell()));
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      expect((await app.stop()).code).toBe(0);
    } finally {
      await killAll();
      await log.close();
      await db.close();
      await postgres.drop();
    }

    function parked(schema: string, consumer: string): Promise<Parked[]> {
      return db.sql<Parked>`
        SELECT topic, key, part, off, state, cause, value
        FROM escrow.parked WHERE ${schema} = 'escrow' AND consumer = ${consumer}
        UNION ALL SELECT topic, key, part, off, state, cause, value
        FROM payments.parked WHERE ${schema} = 'payments' AND consumer = ${consumer}
        UNION ALL SELECT topic, key, part, off, state, cause, value
        FROM projections.parked WHERE ${schema} = 'projections' AND consumer = ${consumer}`;
    }

    async function copiesOf(topic: string, consumer: string): Promise<LogRecord[]> {
      const found: LogRecord[] = [];
      for (const { partition, low, end } of await log.ends([`${topic}.dlq`])) {
        for (let from = low; from < end; ) {
          const records = await log.read(`${topic}.dlq`, partition, from, 500);
          found.push(...records);
          from = (records.at(-1)?.offset ?? end) + 1n;
        }
      }
      return found.filter(({ headers }) => headers["dlq-consumer-group"] === consumer);
    }
  }, 150_000);
});

interface Parked {
  readonly topic: string;
  readonly key: string;
  readonly part: number;
  readonly off: bigint;
  readonly state: string;
  readonly cause: string;
  readonly value: Uint8Array;
}

/** The copy leads back to its row, and has the bytes unless they did not fit. */
function expectStory({ key, value, headers }: LogRecord, rows: readonly Parked[]): void {
  const row = rows.find((one) => one.key === key);
  expect(headers).toMatchObject({
    "dlq-original-topic": row?.topic ?? "",
    "dlq-original-partition": `${row?.part}`,
    "dlq-original-offset": `${row?.off}`,
    "dlq-error-class": "TerminalError",
    "dlq-error-message": expect.stringMatching(/./),
    "dlq-failed-at": expect.stringMatching(/^\d{4}-/),
  });
  if (key === "oversized") {
    expect(headers["dlq-truncated"]).toBe("true");
    expect(value.length).toBe(0);
  } else expect(Buffer.from(value).equals(Buffer.from(row?.value ?? []))).toBe(true);
}
