/** The guide's upcaster, as it stands there, reads what version 1 wrote through the real consumer. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { createSystemClock } from "#platform/clock-system";
import { createConsumer } from "#platform/messaging/consumer";
import { type AnyHandler, defineHandler } from "#platform/messaging/handler";
import { createOutbox } from "#platform/messaging/outbox";
import { bodyTypeOf, type Topic } from "#platform/messaging/topic";
import { withFrames } from "#platform/schemas/framed-log";
import { wireFormatOf } from "#platform/schemas/wire-format";
import { silentLogger } from "#platform/telemetry/logger";
import { adapters, type FreshDatabase } from "../support/databases.ts";
import { createModuleSchema } from "../support/outbox.ts";
import { createScriptedLog, type ScriptedLog } from "../support/scripted-log.ts";
import { type Event as EventV1, EventSchema as EventV1Schema } from "./gen/parcels/v1/events_pb.ts";
import { type Event, EventSchema } from "./gen/parcels/v2/events_pb.ts";
import { parcelHandlers, upcast } from "./schema-change.example.ts";

/** Written by version 1: parcel p-1 weighs 1500 grams. Golden: never made again. */
const golden = Buffer.from("0a03652d311203702d31520308dc0b", "hex");
const written = { eventId: "e-1", parcelId: "p-1" };
const newer = create(EventSchema, {
  eventId: "e-2",
  parcelId: "p-1",
  body: { case: "weighed", value: { milligrams: 1_500_250n, scaleId: "s-7" } },
});

function topicOf<M extends Message & { eventId: string; parcelId: string }>(
  name: string,
  schema: GenMessage<M>,
): Topic<M> {
  return {
    name,
    schema,
    partitions: 1,
    retentionDays: "forever",
    timestamps: "create",
    keyOf: ({ parcelId }) => parcelId,
    idOf: ({ eventId }) => eventId,
    typeOf: (message) => bodyTypeOf(schema, message as never),
  };
}

const v1 = topicOf<EventV1>("parcels.events.v1", EventV1Schema);
const v2 = topicOf<Event>("parcels.events.v2", EventSchema);

test("the guide shows the example that is tried here", async () => {
  const [guide, example] = await Promise.all(
    ["../../docs/guides/schema-change.md", "schema-change.example.ts"].map((path) =>
      Bun.file(new URL(path, import.meta.url)).text(),
    ),
  );
  expect(guide).toContain(`\`\`\`ts\n${example}\`\`\``);
});

test("K2: an upcaster is pure: the same bytes, the same message, and what came in stays as it was", () => {
  const before = create(EventV1Schema, {
    ...written,
    body: { case: "weighed", value: { grams: 1_500 } },
  });
  expect(toBinary(EventV1Schema, before)).toEqual(Uint8Array.from(golden));
  const [once, twice] = [upcast(before), upcast(before)];
  expect(once).toEqual(twice);
  expect(once).toMatchObject({
    ...written,
    body: { case: "weighed", value: { milligrams: 1_500_000n, scaleId: "unknown" } },
  });
  expect(toBinary(EventV1Schema, before)).toEqual(Uint8Array.from(golden));
});

for (const adapter of adapters) {
  describe(`both versions through the consumer on ${adapter.name}`, () => {
    let fresh: FreshDatabase;
    let log: ScriptedLog;
    beforeAll(async () => {
      fresh = await adapter.open();
      await createModuleSchema(fresh.db, "parcels");
      await fresh.db.script(
        "CREATE TABLE parcels.weight (event_id text PRIMARY KEY, parcel_id text, milligrams bigint, scale text)",
      );
    }, 60_000);
    afterAll(async () => fresh.drop(), 60_000);

    const consume = async (handler: AnyHandler): Promise<void> => {
      const clock = createSystemClock();
      const consumer = createConsumer({
        handler,
        schema: "parcels",
        db: fresh.db,
        log: withFrames(log, { topics: [v1, v2] }),
        outbox: createOutbox({ schema: "parcels", writer: "parcels", producerName: "test", clock }),
        clock,
        logger: silentLogger,
        pollMs: 0,
      });
      await consumer.start?.();
      while ((await consumer.step()) === "worked");
      await consumer.stop?.();
    };

    const handlers = parcelHandlers(v1, v2, async (tx, batch) => {
      const weights: Event[] = [];
      batch.each(({ message }) => void weights.push(message));
      for (const { eventId, parcelId, body } of weights) {
        if (body.case !== "weighed") continue;
        const { milligrams, scaleId } = body.value;
        await tx.sql`
          INSERT INTO parcels.weight VALUES (${eventId}, ${parcelId}, ${milligrams}, ${scaleId})
          ON CONFLICT DO NOTHING`;
      }
      return [];
    });

    test("K2: golden bytes of version 1, bare and framed, and version 2 are one story", async () => {
      log = createScriptedLog();
      const headers = { "schema-version": "1", "message-id": "e-1" };
      const append = (topic: string, value: Uint8Array) =>
        log.append({ topic, partition: 0, key: "p-1", value, headers });
      append(v1.name, golden);
      append(v1.name, Buffer.concat([wireFormatOf(EventV1Schema).frame(41), golden]));
      append(v2.name, toBinary(EventSchema, newer));
      for (const handler of handlers) await consume(handler);
      expect(await fresh.db.sql`SELECT * FROM parcels.weight ORDER BY event_id`).toEqual([
        { event_id: "e-1", parcel_id: "p-1", milligrams: 1_500_000n, scale: "unknown" },
        { event_id: "e-2", parcel_id: "p-1", milligrams: 1_500_250n, scale: "s-7" },
      ]);
      expect(await fresh.db.sql`SELECT off FROM parcels.parked`).toEqual([]);
    }, 60_000);

    test("K2: without the upcaster the same bytes would be taken for something else", async () => {
      const weights: string[] = [];
      const topic = topicOf<Event>(v1.name, EventSchema);
      await consume(
        defineHandler({
          name: "parcels.no-upcaster",
          topic,
          handleBatch: async (_tx, batch) => {
            batch.each(({ message }) => void weights.push(String(message.body.value?.milligrams)));
            return [];
          },
        }),
      );
      expect(weights[0]).toBe("1500");
    }, 60_000);
  });
}
