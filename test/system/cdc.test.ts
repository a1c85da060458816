/**
 * The outbox by change data capture, with the files of deploy/connect on a real Kafka Connect: the
 * program runs without its relay, and what readers get is what the relay would have sent. Then the
 * connector stands still, its slot is lost, the publisher changes over and back, the connector is
 * killed under load, and leaves messages out.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { createSystemClock } from "#platform/clock-system";
import { type DatabaseEvent, databaseEvents } from "#platform/listening/database-event";
import { createListeners } from "#platform/listening/listeners";
import type { NewRecord } from "#platform/messaging/event-log";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { hasConnect } from "../../scripts/backing/connect.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import {
  type CdcWorld,
  firstOccurrences,
  moduleSchemas,
  type Published,
  startCdcWorld,
} from "../support/cdc.ts";
import { createMarket, type Market } from "../support/market.ts";
import { type AppProcess, killAll, runApp, startApp, verify } from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";

const secret = "a secret for this test, thirty-two bytes";
const clock = createSystemClock();

if (process.env.KAFKA_BROKERS !== undefined && (await hasConnect()))
  describe("the outbox by change data capture", () => {
    let world: CdcWorld;
    let place: Place;
    let env: Record<string, string>;
    let app: AppProcess;
    let url: string;
    let market: Market;

    beforeAll(async () => {
      [world, place] = await Promise.all([startCdcWorld(), emptyPlace()]);
      env = {
        ...world.env,
        JWT_SECRET: secret,
        DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
        LOG_LEVEL: "warn",
        // The relay leaves everything to the connector, unless a test says otherwise.
        OUTBOX_CDC_PATIENCE: "3600",
      };
      await expectRuns(["migrate"], env);
      await expectRuns(["topics"], env);
      await expectRuns(["topics"], { ...env, ...world.relayedEnv });
      await world.prepare();
      market = createMarket({ url: () => url, secret, patienceMs: 180_000 });
    }, 180_000);

    afterAll(async () => {
      await killAll();
      await world?.stop();
    }, 60_000);

    async function expectRuns(args: readonly string[], settings: Record<string, string>) {
      const { code, stderr } = await runApp(place, args, settings);
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
    }

    async function startWith(publisher: "relay" | "cdc", more: object = {}): Promise<void> {
      app = startApp(place, ["--port", "0"], { ...env, OUTBOX_PUBLISHER: publisher, ...more });
      url = await app.ready(120_000);
      // It reads from its first joining on.
      await until("it is not ready", async () => (await fetch(`${url}/readyz`)).ok, 120_000);
    }

    async function until(what: string, ask: () => Promise<boolean>, ms = 60_000): Promise<void> {
      const late = performance.now() + ms;
      while (!(await ask())) {
        if (performance.now() > late) {
          throw new Error(`${what}\n${app.stderr().slice(-2_000)}\n${world.connect.log()}`);
        }
        await Bun.sleep(100);
      }
    }

    const allRemoved = () => until("rows stay", async () => (await world.waiting()) === 0, 180_000);

    /** Every row came to its readers as a relay would have sent it; the order is each key's. */
    async function expectSame(): Promise<{ repeats: number }> {
      const { connector, relay, rows } = await world.both();
      const [ours, theirs] = [firstOccurrences(connector), firstOccurrences(relay)];
      expect(Object.values(theirs).flat()).toHaveLength(rows);
      expect(ours).toEqual(theirs);
      return { repeats: connector.length - rows };
    }

    test("K8: the README's sale runs to RELEASED without a relay", async () => {
      await startWith("cdc");
      await world.connect.put(world.outbox);
      const sold = await runReadmeSale(place, url, env);
      expect(sold.state).toBe("RELEASED");
      expect(sold.funds).toEqual(fundsOfSale);
    }, 300_000);

    test("K8: each message has the key, the bytes, the headers and the partition of the relay's", async () => {
      await Promise.all(Array.from({ length: 6 }, () => market.sell()));
      const outbox = createOutbox({ schema: "escrow", writer: "x", producerName: "x", clock });
      await world.db.withTx((tx) => outbox.enqueueRaw(tx, awkward));
      await allRemoved();
      expect(await expectSame()).toEqual({ repeats: 0 });
      const { connector } = await world.both();
      expect(connector.filter(({ topic }) => topic.endsWith(".dlq"))).toHaveLength(awkward.length);
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
    }, 300_000);

    test("a connector that stands still and a slot that is lost lose nothing: rows wait in the table", async () => {
      await world.connect.stopConnector(world.outbox.name);
      const sale = market.sell();
      await until("nothing waits", async () => (await world.waiting()) > 0);
      await world.db.sql`SELECT pg_drop_replication_slot('app_outbox')`;
      expect(await world.waiting()).toBeGreaterThan(0);
      await world.connect.resume(world.outbox.name);
      await sale;
      await allRemoved();
      await expectSame();
    }, 300_000);

    test("over to the relay and back: repeats harm nobody", async () => {
      await world.connect.stopConnector(world.outbox.name);
      await app.stop();
      await startWith("relay");
      await market.sell();
      await allRemoved();
      await expectSame();

      await app.stop();
      // Its slot has kept all that the relay has published meanwhile.
      await Promise.all([startWith("cdc"), world.connect.resume(world.outbox.name)]);
      await market.sell();
      await allRemoved();
      expect((await expectSame()).repeats).toBeGreaterThan(0);
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
    }, 300_000);

    test("killed under load, the connector goes on: every row's message stands on its topic, in order", async () => {
      const outbox = createOutbox({ schema: "escrow", writer: "x", producerName: "x", clock });
      const write = async (from: number, to: number) => {
        for (let batch = from; batch < to; batch += 1) {
          await world.db.withTx((tx) => outbox.enqueueRaw(tx, numbered(batch)));
          await Bun.sleep(20);
        }
      };
      const sales = Promise.all([market.sell(), market.sell()]);
      await write(0, 60);
      const load = write(60, 120);
      await world.connect.kill();
      await load;
      expect(await world.waiting()).toBeGreaterThan(200);
      await world.connect.restart();
      await sales;
      await allRemoved();
      await expectSame();
      expect(await leftBehind()).toBe(0);
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
    }, 400_000);

    test("what the connector leaves out comes late, by the relay, and its readers recover by themselves", async () => {
      await app.stop();
      await startWith("cdc", { OUTBOX_CDC_PATIENCE: "2" });
      await leaveOut("WHERE (pos % 5 <> 0)");
      // Sales wait for their messages in turn; what nobody waits for comes after its successors.
      await Promise.all(Array.from({ length: 3 }, () => market.sell()));
      await leaveOut("");
      await allRemoved();
      expect(await leftBehind()).toBeGreaterThan(0);
      expect(app.stderr()).toContain("the connector has left messages behind");
      const { connector, relay, rows } = await world.both();
      expect(idsOf(relay)).toHaveLength(rows);
      expect(idsOf(connector)).toEqual(idsOf(relay));
      await until("messages stay parked", async () => (await world.parked()) === 0, 120_000);
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true });
    }, 400_000);

    /** The server never hands the connector what the publication does not hold; the slot passes it. */
    async function leaveOut(rows: string): Promise<void> {
      const tables = moduleSchemas.map((schema) => `${schema}.outbox ${rows}`);
      await world.db.script(`ALTER PUBLICATION app_outbox SET TABLE ${tables.join(", ")}`);
    }

    async function leftBehind(): Promise<number> {
      const text = await (await fetch(`${url}/metrics`)).text();
      const counts = text.matchAll(/^outbox_overdue_published_total\{.*\} (\d+)$/gm);
      return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
    }

    test("seed C5: changes of somebody's table are read as typed events", async () => {
      await world.db.script(`
        CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL);
        ALTER TABLE customer REPLICA IDENTITY FULL;
        INSERT INTO customer VALUES (1, 'Ann')`);
      const topic = "shop.public.customer";
      await world.log.ensureTopics([
        { name: topic, partitions: 1, retentionDays: 1, timestamps: "create" },
      ]);
      const customer = z.object({ id: z.number(), name: z.string() });
      const told: DatabaseEvent<z.infer<typeof customer>>[] = [];
      const listeners = createListeners({
        log: world.log,
        topics: [],
        clock,
        logger: silentLogger,
      });
      listeners.registerHandler<DatabaseEvent<z.infer<typeof customer>>>({
        name: "search.customers",
        on: topic,
        fromBeginning: true,
        read: databaseEvents((json) => customer.parse(json)),
        handle: (event) => void told.push(event),
      });
      listeners.startWithHandlers();
      await world.connect.put(world.tableConnector("shop", "public.customer"));
      await until("no snapshot", async () => told.length > 0);
      await world.db.script("UPDATE customer SET name = 'Änne'; DELETE FROM customer");
      await until("no changes", async () => told.length > 2);
      await listeners.stop();
      const seen = told.map(({ op, before, after, source: { table } }) => ({
        op,
        before,
        after,
        table,
      }));
      const ann = { id: 1, name: "Ann" };
      const anne = { id: 1, name: "Änne" };
      expect(seen).toEqual([
        { op: "r", before: null, after: ann, table: "customer" },
        { op: "u", before: ann, after: anne, table: "customer" },
        { op: "d", before: anne, after: null, table: "customer" },
      ]);
    }, 120_000);
  });

function idsOf(all: readonly Published[]): readonly string[] {
  return [...new Set(all.map(({ topic, key, id }) => `${topic} ${key} ${id}`))].sort();
}

/** Ten keys, each one's messages in order. */
function numbered(batch: number): readonly NewRecord[] {
  return Array.from({ length: 20 }, (_, index) => ({
    topic: "escrow.events.v1.dlq",
    key: `load_${index % 10}`,
    value: Buffer.from(`${batch}`.repeat(100)),
    headers: { "message-id": `load-${batch}-${index}`, "message-type": "test" },
  }));
}

/** What JSON, text and bytes can do to a message on its way. */
const awkward: readonly NewRecord[] = [
  { headers: {}, value: Uint8Array.from({ length: 256 }, (_, index) => index) },
  { headers: { "dlq-error-message": 'a "quote", a \\ and\na line' }, value: Buffer.from("x") },
  { headers: { empty: "", Ünïcode: "päid → 💶" }, value: Buffer.from([0]) },
  { headers: { number: "12", json: '{"a":[1]}', no: "null" }, value: Buffer.alloc(850_000, 0xff) },
].map(({ headers, value }, index) => ({
  topic: "escrow.events.v1.dlq",
  key: index % 2 === 0 ? "esc_äwkward" : "esc_plain",
  value,
  headers: { "message-id": `awkward-${index}`, "message-type": "test", ...headers },
}));
