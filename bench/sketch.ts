/**
 * The peer: the same rows and messages by the barest safe code that could do it. The cursor is
 * locked first and moved last, a command has one outcome, the outbox is the last write and a row
 * goes once it is acknowledged. JSON instead of protobuf; no rules, parking, headers or leases.
 */
import postgres from "postgres";
import { dropTopics, freshDatabase, kafkaClient, type Servers } from "./environment.ts";
import { cpuUsPer, type PipelineResult } from "./measure.ts";

const partitions = 12;
const perTransaction = 250;
const lanes = 4;

const tables = `
  CREATE TABLE cursor (part int PRIMARY KEY, next bigint NOT NULL);
  CREATE TABLE escrow (id text PRIMARY KEY, version int NOT NULL, amount bigint NOT NULL,
    buyer text NOT NULL, seller text NOT NULL, at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE outcome (command_id text PRIMARY KEY, escrow text NOT NULL, version int NOT NULL);
  CREATE TABLE history (escrow text, version int, payload bytea NOT NULL,
    PRIMARY KEY (escrow, version));
  CREATE TABLE timer (escrow text PRIMARY KEY, due timestamptz NOT NULL);
  CREATE TABLE outbox (pos bigserial PRIMARY KEY, part smallint NOT NULL, topic text NOT NULL,
    key text NOT NULL, payload bytea NOT NULL);
  CREATE INDEX ON outbox (part, pos);
  INSERT INTO cursor SELECT n, 0 FROM generate_series(0, ${partitions - 1}) AS n`;

interface SketchCommand {
  readonly id: string;
  readonly escrow: string;
  readonly type: "create" | "accept";
  readonly amount: string;
  readonly padding: string;
}

interface Message {
  readonly topic: string;
  readonly key: string;
  readonly version: number;
  readonly payload: Buffer;
}

interface State {
  readonly id: string;
  version: number;
  readonly amount: string;
}

/** What an event of the product weighs, about. */
const eventPadding = "x".repeat(450);

export async function runSketch(servers: Servers, commands: number): Promise<PipelineResult> {
  const database = await freshDatabase(servers);
  const sql = postgres(database.url, { max: lanes + 2, onnotice: () => undefined });
  try {
    await sql.unsafe(tables);
    return await drain(servers, sql, database.name, commands);
  } finally {
    await sql.end();
    await dropTopics(servers, database.name);
    await database.drop();
  }
}

async function drain(servers: Servers, sql: postgres.Sql, name: string, commands: number) {
  const kafka = kafkaClient(servers);
  const topics = { commands: `${name}.commands`, events: `${name}.events`, pay: `${name}.pay` };
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: Object.values(topics).map((topic) => ({ topic, numPartitions: partitions })),
    waitForLeaders: true,
  });
  await admin.disconnect();
  await lay(kafka, topics.commands, commands);
  let startedAt = 0;
  let handled = 0;
  let handledAt = 0;
  let cpu = process.cpuUsage();
  const consumer = kafka.consumer({ groupId: name, maxBytesPerPartition: 131_072 });
  await consumer.connect();
  await consumer.subscribe({ topic: topics.commands, fromBeginning: true });
  await consumer.run({
    partitionsConsumedConcurrently: lanes,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      if (startedAt === 0) {
        startedAt = performance.now();
        cpu = process.cpuUsage();
      }
      for (let from = 0; from < batch.messages.length; from += perTransaction) {
        const slice = batch.messages.slice(from, from + perTransaction);
        await apply(sql, topics, batch.partition, slice);
        resolveOffset(slice.at(-1)?.offset ?? "0");
        handled += slice.length;
        if (handled >= commands) handledAt ||= performance.now();
        await heartbeat();
      }
    },
  });
  const publishedAt = await relay(kafka, sql, commands * 2);
  const cpuUsPerCommand = cpuUsPer(commands, cpu);
  await consumer.disconnect();
  return {
    cpuUsPerCommand,
    handledPerS: (commands / (handledAt - startedAt)) * 1_000,
    publishedPerS: (commands / (publishedAt - startedAt)) * 1_000,
  };
}

type Kafka = ReturnType<typeof kafkaClient>;

async function lay(kafka: Kafka, topic: string, count: number): Promise<void> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const escrows = Array.from({ length: count / 2 }, () => crypto.randomUUID());
  const command = (escrow: string, type: SketchCommand["type"]) => {
    const one = { id: crypto.randomUUID(), escrow, type, amount: "10000" };
    return { key: escrow, value: JSON.stringify({ ...one, padding: "x".repeat(200) }) };
  };
  const all = [
    ...escrows.map((id) => command(id, "create")),
    ...escrows.map((id) => command(id, "accept")),
  ];
  for (let from = 0; from < all.length; from += 1_000) {
    await producer.send({ topic, messages: all.slice(from, from + 1_000) });
  }
  await producer.disconnect();
}

interface Topics {
  readonly events: string;
  readonly pay: string;
}

interface Fetched {
  readonly offset: string;
  readonly value: Buffer | null;
}

async function apply(
  sql: postgres.Sql,
  topics: Topics,
  part: number,
  fetched: readonly Fetched[],
): Promise<void> {
  const last = Number(fetched.at(-1)?.offset);
  const commands = fetched.map(({ value }): SketchCommand => JSON.parse(String(value)));
  await sql.begin(async (tx) => {
    const [cursor] = await tx`SELECT next FROM cursor WHERE part = ${part} FOR UPDATE`;
    if (Number(cursor?.["next"]) > last) return;
    const ids = [...new Set(commands.map(({ escrow }) => escrow))].sort();
    const [rows, known] = await Promise.all([
      tx<State[]>`
        SELECT id, version, amount FROM escrow WHERE id = ANY(${ids}) ORDER BY id FOR UPDATE`,
      tx`SELECT command_id FROM outcome WHERE command_id = ANY(${commands.map(({ id }) => id)})`,
    ]);
    const done = new Set(known.map((row) => String(row["command_id"])));
    const states = new Map(rows.map((row) => [row.id, { ...row }]));
    const created: State[] = [];
    const outcomes: { command_id: string; escrow: string; version: number }[] = [];
    const messages: Message[] = [];
    for (const command of commands) {
      if (done.has(command.id)) continue;
      done.add(command.id);
      const state = states.get(command.escrow) ?? { ...command, id: command.escrow, version: 0 };
      states.set(command.escrow, state);
      if (state.version === 0) created.push(state);
      messages.push(...say(state, command, topics));
      outcomes.push({ command_id: command.id, escrow: state.id, version: state.version });
    }
    await write(tx, part, { states: [...states.values()], created, outcomes, messages, topics });
    await tx`UPDATE cursor SET next = ${last + 1} WHERE part = ${part}`;
  });
}

function say(state: State, command: SketchCommand, { events, pay }: Topics): Message[] {
  const body = { escrow: state.id, cause: command.id, amount: state.amount, text: eventPadding };
  const message = (topic: string, type: string): Message => {
    if (topic === events) state.version += 1;
    const { id: key, version } = state;
    return {
      topic,
      key,
      version,
      payload: Buffer.from(JSON.stringify({ type, version, ...body })),
    };
  };
  if (command.type === "create") return [message(events, "created")];
  return [message(events, "accepted"), message(events, "await-funds"), message(pay, "open")];
}

interface Writes {
  readonly states: readonly State[];
  readonly created: readonly State[];
  readonly outcomes: readonly { command_id: string; escrow: string; version: number }[];
  readonly messages: readonly Message[];
  readonly topics: Topics;
}

async function write(
  tx: postgres.TransactionSql,
  part: number,
  { states, created, outcomes, messages, topics }: Writes,
): Promise<void> {
  const due = new Date(Date.now() + 259_200_000);
  const timers = created.map(({ id }) => ({ escrow: id, due }));
  const history = messages
    .filter(({ topic }) => topic === topics.events)
    .map(({ key, version, payload }) => ({ escrow: key, version, payload }));
  const rows = messages.map(({ topic, key, payload }) => ({ part, topic, key, payload }));
  await Promise.all([
    states.length > 0 &&
      tx`INSERT INTO escrow (id, version, amount, buyer, seller)
        SELECT id, version, amount, 'alice', 'bob'
        FROM unnest(${states.map(({ id }) => id)}::text[],
          ${states.map(({ version }) => version)}::int[],
          ${states.map(({ amount }) => amount)}::bigint[]) AS s(id, version, amount)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, at = now()`,
    history.length > 0 && tx`INSERT INTO history ${tx(history)}`,
    timers.length > 0 && tx`INSERT INTO timer ${tx(timers)}`,
    outcomes.length > 0 && tx`INSERT INTO outcome ${tx(outcomes)}`,
    rows.length > 0 && tx`INSERT INTO outbox ${tx(rows)}`,
  ]);
}

/** Resolves to when the last of `total` messages was acknowledged. */
async function relay(kafka: Kafka, sql: postgres.Sql, total: number): Promise<number> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  let left = total;
  while (left > 0) {
    const rows = await sql<{ pos: string; topic: string; key: string; payload: Buffer }[]>`
      SELECT o.* FROM generate_series(0, ${partitions - 1}) AS p CROSS JOIN LATERAL (
        SELECT pos, topic, key, payload FROM outbox WHERE part = p ORDER BY pos LIMIT 250) AS o`;
    if (rows.length === 0) {
      await Bun.sleep(5);
      continue;
    }
    const topicMessages = [...Map.groupBy(rows, ({ topic }) => topic)].map(([topic, group]) => ({
      topic,
      messages: group.map(({ key, payload }) => ({ key, value: payload })),
    }));
    await producer.sendBatch({ topicMessages, acks: -1 });
    await sql`DELETE FROM outbox WHERE pos = ANY(${rows.map(({ pos }) => pos)}::bigint[])`;
    left -= rows.length;
  }
  const doneAt = performance.now();
  await producer.disconnect();
  return doneAt;
}
