/** Listeners over every event log: what they are told, how they fail alone, how they come and go. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { EventSchema } from "#gen/contracts/v1/events_pb";
import { createSystemClock } from "#platform/clock-system";
import { type DatabaseEvent, databaseEvents } from "#platform/listening/database-event";
import { defineListener } from "#platform/listening/listener";
import { createListeners, type Listeners } from "#platform/listening/listeners";
import { jsonReader } from "#platform/listening/readers";
import { encode } from "#platform/messaging/codec";
import type { EventLog, NewRecord } from "#platform/messaging/event-log";
import type { AnyTopic } from "#platform/messaging/topic";
import { silentLogger } from "#platform/telemetry/logger";
import { topics as catalogue } from "#topics";
import { eventually, type LogUnderTest, logKinds, record, topic, unique } from "../support/logs.ts";

const text = jsonReader(String);
const said = (of: { name: string }, key: string, what: string, type = ""): NewRecord => ({
  topic: of.name,
  key,
  value: Buffer.from(JSON.stringify(what)),
  headers: { "message-id": what, "message-type": type },
});

for (const kind of logKinds) {
  describe(`listeners over ${kind.name}`, () => {
    let world: LogUnderTest;
    let log: EventLog;
    const open: Listeners[] = [];
    const listeners = (topics: readonly AnyTopic[] = [], process = log): Listeners => {
      const made = createListeners({
        log: process,
        topics,
        clock: createSystemClock(),
        logger: silentLogger,
      });
      open.push(made);
      return made;
    };
    const send = (...records: readonly NewRecord[]) => log.createProducer().send(records);
    const made = async (name = unique("heard")) => {
      const settings = topic({ name });
      await log.ensureTopics([settings]);
      return settings;
    };

    beforeAll(async () => {
      world = await kind.open();
      log = world.process();
    }, 60_000);
    afterAll(async () => {
      await Promise.all(open.map((one) => one.stop()));
      await world.close();
    }, 60_000);

    test("seed B3: from the beginning, in the order of a key, with the context of each", async () => {
      const of = await made();
      await send(...["a", "b", "c"].map((what) => said(of, "k", what)));
      const heard: unknown[] = [];
      const all = listeners();
      all.registerHandler(
        defineListener<string>({
          name: unique("test"),
          on: of.name,
          fromBeginning: true,
          read: text,
          handle: (message, { topic: from, key, messageId, offset, attempt }) => {
            heard.push({ message, topic: from, key, messageId, offset, attempt });
          },
        }),
      );
      expect(heard).toEqual([]);
      all.startWithHandlers();
      await eventually(() => heard.length === 3);
      expect(heard).toEqual(
        ["a", "b", "c"].map((what, index) => ({
          message: what,
          topic: of.name,
          key: "k",
          messageId: what,
          offset: BigInt(index),
          attempt: 1,
        })),
      );
    }, 60_000);

    test("seed B3: not from the beginning: only what comes after the first joining, and nothing twice after a restart", async () => {
      const of = await made();
      await send(said(of, "k", "before"));
      const heard: string[] = [];
      const name = unique("test");
      const start = async (): Promise<Listeners> => {
        const all = listeners();
        all.registerHandler({
          name,
          on: of.name,
          read: text,
          handle: (what) => void heard.push(what),
        });
        all.startWithHandlers();
        await eventually(() => all.problems().length === 0);
        return all;
      };
      const first = await start();
      await send(said(of, "k", "while"));
      await eventually(() => heard.length === 1);
      await first.stop();
      await send(said(of, "k", "away"));
      await start();
      await eventually(() => heard.length === 2);
      expect(heard).toEqual(["while", "away"]);
    }, 60_000);

    test("seed B1: types are picked by pattern, several listeners read one topic", async () => {
      const of = await made();
      const heard: string[] = [];
      const all = listeners();
      for (const types of [["EscrowDisputed"], ["Escrow*"], ["*"], ["Other"]]) {
        all.registerHandler({
          name: unique("test"),
          on: of.name,
          types,
          fromBeginning: true,
          read: text,
          handle: (what) => void heard.push(`${types}: ${what}`),
        });
      }
      all.startWithHandlers();
      await send(
        said(of, "k", "disputed", "escrow.v1.EscrowDisputed"),
        said(of, "k", "funded", "escrow.v1.EscrowFunded"),
        said(of, "k", "paid", "payments.v1.Paid"),
      );
      await eventually(() => heard.length === 6);
      expect(heard.sort()).toEqual([
        "*: disputed",
        "*: funded",
        "*: paid",
        "Escrow*: disputed",
        "Escrow*: funded",
        "EscrowDisputed: disputed",
      ]);
    }, 60_000);

    test("seed B1, B2: a pattern reads the catalogue's topics, each by its proto", async () => {
      const suffix = unique("of");
      const named = (name: string): AnyTopic => ({ ...catalogue.contractsEvents, name });
      const known = [`a.${suffix}.v1`, `b.${suffix}.v1`, `a.${suffix}.v2`].map(named);
      for (const { name } of known) await made(name);
      const heard: string[] = [];
      const all = listeners(known);
      all.registerHandler<{ contractId: string }>({
        name: unique("test"),
        on: `*.${suffix}.v1`,
        fromBeginning: true,
        handle: ({ contractId }, { topic: from, messageType }) =>
          void heard.push(`${contractId} ${from} ${messageType}`),
      });
      expect(all.getRegisteredTopics()).toEqual([`a.${suffix}.v1`, `b.${suffix}.v1`]);
      all.startWithHandlers();
      for (const one of known) {
        const message = create(EventSchema, {
          eventId: unique("event"),
          contractId: "c-1",
          body: { case: "voided", value: { reasonCode: "test" } },
        });
        await send(
          encode({ topic: one, message, correlationId: "", causationId: "" }, "test", new Date()),
        );
      }
      await eventually(() => heard.length === 2);
      expect(heard.sort()).toEqual(
        ["a", "b"].map((name) => `c-1 ${name}.${suffix}.v1 contracts.v1.ContractVoided`),
      );
    }, 60_000);

    test("seed C3: a listener that fails is tried again in order and stops no other; what cannot be read is passed by", async () => {
      const [bad, good] = [await made(), await made()];
      const heard: string[] = [];
      let mended = false;
      const all = listeners();
      const name = unique("test");
      all.registerHandler({
        name,
        on: bad.name,
        fromBeginning: true,
        read: text,
        handle: (what, { attempt }) => {
          if (what === "b" && !mended) throw new Error(`no, ${attempt}`);
          heard.push(what);
        },
      });
      all.registerHandler({
        name: unique("test"),
        on: good.name,
        fromBeginning: true,
        read: text,
        handle: (what) => void heard.push(what),
      });
      all.startWithHandlers();
      await send(
        said(bad, "k", "a"),
        record(bad, "k", "not JSON"),
        said(bad, "k", "b"),
        said(bad, "k", "c"),
      );
      await send(said(good, "k", "other"));
      const problem = () => all.problems().find((one) => one.name.startsWith(name))?.problem ?? "";
      await eventually(() => /fails: no, [2-9]/.test(problem()));
      await eventually(() => heard.length === 2);
      expect(heard.sort()).toEqual(["a", "other"]);
      mended = true;
      await eventually(() => heard.length === 4);
      expect(heard.slice(2)).toEqual(["b", "c"]);
      expect(problem()).toBe("");
    }, 60_000);

    test("seed C2: listeners come and go while the others run", async () => {
      const of = await made();
      const heard: string[] = [];
      const all = listeners();
      const listener = (name: string) => ({
        name,
        on: of.name,
        fromBeginning: true,
        read: text,
        handle: (what: string) => void heard.push(`${name} ${what}`),
      });
      const [stays, goes] = [unique("stays"), unique("goes")];
      all.startWithHandlers();
      expect(all.isRunningHandlers()).toBe(true);
      all.registerHandler(listener(stays));
      all.registerHandler(listener(goes));
      expect(() => all.registerHandler(listener(goes))).toThrow("registered already");
      await send(said(of, "k", "1"));
      await eventually(() => heard.length === 2);
      expect(await all.unregisterHandler(goes)).toBe(true);
      expect(await all.unregisterHandler(goes)).toBe(false);
      expect([all.hasHandler(stays), all.hasHandler(goes)]).toEqual([true, false]);
      await send(said(of, "k", "2"));
      await eventually(() => heard.includes(`${stays} 2`));
      all.registerHandler(listener(goes));
      await eventually(() => heard.includes(`${goes} 2`));
      expect(heard.filter((one) => one === `${goes} 1`)).toHaveLength(1);
      await all.clearHandlers();
      expect(all.getRegisteredTopics()).toEqual([]);
    }, 60_000);

    test("seed C5: rows changed, as Debezium tells of them, with and without their schema", async () => {
      const of = await made(`db.public.${unique("users")}`);
      const row = (json: unknown) => ({ id: Number((json as { id: unknown }).id) });
      const heard: unknown[] = [];
      const all = listeners();
      all.registerHandler<DatabaseEvent<{ id: number }>>({
        name: unique("test"),
        on: of.name,
        fromBeginning: true,
        read: databaseEvents(row),
        handle: ({ op, before, after, source, ts_ms }) =>
          void heard.push({ op, before, after, table: source.table, ts_ms }),
      });
      all.startWithHandlers();
      const source = { db: "db", schema: "public", table: "users", ts_ms: 1, lsn: 5 };
      const changes: [string, unknown, unknown][] = [
        ["c", null, { id: 1 }],
        ["u", { id: 1 }, { id: 2 }],
        ["d", { id: 2 }, null],
      ];
      const records = changes.map(([op, before, after], index) => {
        const payload = { op, before, after, source, ts_ms: index };
        const json = index === 0 ? { schema: {}, payload } : payload;
        return { ...said(of, "1", ""), value: Buffer.from(JSON.stringify(json)) };
      });
      await send(...records, { ...said(of, "1", ""), value: new Uint8Array() });
      await eventually(() => heard.length === 3);
      expect(heard).toEqual(
        changes.map(([op, before, after], ts_ms) => ({ op, before, after, table: "users", ts_ms })),
      );
    }, 60_000);

    test("what nobody can read is refused when it is registered", () => {
      const all = listeners();
      const handle = () => {};
      expect(() => all.registerHandler({ name: "a", on: "nothing.*", handle })).toThrow("no topic");
      expect(() => all.registerHandler({ name: "a", on: "nothing", handle })).toThrow("is read");
      expect(all.hasHandler("a")).toBe(false);
    });
  });
}
