/**
 * The outbox by change data capture, with the files of deploy/connect on a real Kafka Connect: the
 * program runs without its relay, and what readers get is what the relay would have sent. Then the
 * connector stands still, its slot is lost, and the publisher changes over and back.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { createSystemClock } from "#platform/clock-system";
import { mintToken } from "#platform/http/token";
import { type DatabaseEvent, databaseEvents } from "#platform/listening/database-event";
import { createListeners } from "#platform/listening/listeners";
import type { NewRecord } from "#platform/messaging/event-log";
import { createOutbox } from "#platform/messaging/outbox";
import { silentLogger } from "#platform/telemetry/logger";
import { hasConnect } from "../../scripts/backing/connect.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type CdcWorld, firstOccurrences, startCdcWorld } from "../support/cdc.ts";
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
        OUTBOX_CDC_GRACE: "1",
      };
      await expectRuns(["migrate"], env);
      await expectRuns(["topics"], env);
      await expectRuns(["topics"], { ...env, ...world.relayedEnv });
      await world.prepare();
      market = createMarket({ url: () => url, secret, patienceMs: 60_000 });
    }, 180_000);

    afterAll(async () => {
      await killAll();
      await world?.stop();
    }, 60_000);

    async function expectRuns(args: readonly string[], settings: Record<string, string>) {
      const { code, stderr } = await runApp(place, args, settings);
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
    }

    /** Reasons are for operators. */
    async function operator(): Promise<Record<string, string>> {
      const claims = { sub: "operator", roles: ["admin"], issuer: "app", audience: "app" };
      const key = new TextEncoder().encode(secret);
      return { Authorization: `Bearer ${await mintToken({ secret: key, ...claims, ttl: 600 })}` };
    }

    async function startWith(publisher: "relay" | "cdc"): Promise<void> {
      app = startApp(place, ["--port", "0"], { ...env, OUTBOX_PUBLISHER: publisher });
      url = await app.ready(60_000);
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

    const allRemoved = () => until("rows stay", async () => (await world.waiting()) === 0);

    /** Every row came to its readers as a relay would have sent it; the order is each key's. */
    async function expectSame(): Promise<{ repeats: number }> {
      const { connector, relay, rows } = await world.both();
      const [ours, theirs] = [firstOccurrences(connector), firstOccurrences(relay)];
      expect(Object.values(theirs).flat()).toHaveLength(rows);
      expect(ours).toEqual(theirs);
      return { repeats: connector.length - rows };
    }

    test("K8: the README's sale runs to RELEASED without a relay", async () => {
      await Promise.all([startWith("cdc"), world.connect.put(world.outbox)]);
      const sold = await runReadmeSale(place, url, env);
      expect(sold.state).toBe("RELEASED");
      expect(sold.funds).toEqual(fundsOfSale);
    }, 120_000);

    test("K8: each message has the key, the bytes, the headers and the partition of the relay's", async () => {
      await Promise.all(Array.from({ length: 6 }, () => market.sell()));
      const outbox = createOutbox({ schema: "escrow", writer: "x", producerName: "x", clock });
      await world.db.withTx((tx) => outbox.enqueueRaw(tx, awkward));
      await allRemoved();
      expect(await expectSame()).toEqual({ repeats: 0 });
      const { connector } = await world.both();
      expect(connector.filter(({ topic }) => topic.endsWith(".dlq"))).toHaveLength(awkward.length);
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
    }, 120_000);

    test("a connector that stands still and a slot that is lost lose nothing: rows wait in the table", async () => {
      await world.connect.stopConnector(world.outbox.name);
      const sale = market.sell();
      await until("nothing waits", async () => (await world.waiting()) > 0);
      await until("readiness does not tell", async () => {
        const answer = await fetch(`${url}/readyz`, { headers: await operator() });
        return (await answer.text()).includes("nothing reads the replication slot app_outbox");
      });
      await world.db.sql`SELECT pg_drop_replication_slot('app_outbox')`;
      expect(await world.waiting()).toBeGreaterThan(0);
      await world.connect.resume(world.outbox.name);
      await sale;
      await allRemoved();
      await expectSame();
    }, 180_000);

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
    }, 180_000);

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
