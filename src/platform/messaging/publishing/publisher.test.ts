import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { CommandSchema } from "#gen/escrow/v1/commands_pb";
import { EventSchema } from "#gen/escrow/v1/events_pb";
import { topics } from "#topics";
import { createFakeLog, type Fate, seeded } from "../../../../test/support/outbox.ts";
import { createManualClock } from "../../clock-manual.ts";
import { NotSentError, TerminalError } from "../../errors.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { encode } from "../codec.ts";
import { type NewRecord, RecordRefusedError, TopicUnavailableError } from "../event-log.ts";
import type { Outgoing } from "../handler.ts";
import { maxPartitionBytes, recordBytes } from "../record-size.ts";
import type { Topic } from "../topic.ts";
import { createPublisher, type PublisherLimits } from "./publisher.ts";

/** A topic whose messages have no rules: key and id are words of one text. */
const notes: Topic<StringValue> = {
  name: "notes.v1",
  schema: StringValueSchema,
  partitions: 12,
  retentionDays: 1,
  timestamps: "append",
  keyOf: ({ value }) => value.split(" ")[0] ?? "",
  idOf: ({ value }) => value.split(" ")[1] ?? "",
  typeOf: () => "Note",
};

const clock = createManualClock();
const long = 60_000;

test("what comes while one send flies goes with the next, in order", async () => {
  const gate = createGate();
  const { log, publisher } = setUp(gate.pass);
  const first = publisher.publish(command("a", "1"), long);
  await gate.reached(1);
  const others = ["2", "3", "4"].map((id) => publisher.publish(command("a", id), long));
  gate.open();
  await Promise.all([first, ...others]);
  expect(log.sends.map((send) => send.map(idOf))).toEqual([["1"], ["2", "3", "4"]]);
  expect((await others[2])?.offset).toBe(3n);
});

test("one refused message fails alone", async () => {
  const { log, publisher } = setUp((records) =>
    records.some((record) => idOf(record) === "5") ? refusal() : "written",
  );
  const results = await Promise.allSettled(
    Array.from({ length: 9 }, (_, id) => publisher.publish(command(`k${id}`, String(id)), long)),
  );
  const failed = results.flatMap((result, id) => (result.status === "rejected" ? [id] : []));
  expect(failed).toEqual([5]);
  expect(results[5]).toMatchObject({ reason: { name: "TerminalError" } });
  expect(new Set(log.records.map(idOf)).size).toBe(8);
  expect(log.producersMade).toBeGreaterThan(1);
});

test("a lost reply is an unknown outcome, and the next goes through a new producer", async () => {
  const fates: Fate[] = ["reply lost", "written"];
  const { log, publisher } = setUp(() => fates.shift() ?? "written");
  await expect(publisher.publish(command("a", "1"), long)).rejects.toThrow(
    "may have been accepted",
  );
  await publisher.publish(command("a", "2"), long);
  expect(log.producersMade).toBe(2);
  expect(log.records.map(idOf)).toEqual(["1", "2"]);
});

test("what was spared the log, or never left the queue, is known not to be sent", async () => {
  const { publisher } = setUp(() => new NotSentError("spared", 4_000));
  const spared = await publisher.publish(command("a", "1"), long).catch((error: unknown) => error);
  expect(spared).toMatchObject({ message: "spared", retryAfterMs: 4_000 });
  await publisher.close();
  const closed = await publisher.publish(command("a", "2"), long).catch((error: unknown) => error);
  expect(closed).toBeInstanceOf(NotSentError);
});

test("a topic that is away fails alone", async () => {
  const { publisher } = setUp(([record]) =>
    record?.topic === notes.name
      ? new TopicUnavailableError(record.topic, "it does not exist")
      : "written",
  );
  const [escrow, payments] = await Promise.allSettled([
    publisher.publish(command("a", "1"), long),
    publisher.publish(
      {
        ...command("a", "1"),
        topic: { ...notes, name: "other.notes.v1" },
        message: create(StringValueSchema, { value: "a 1" }),
      },
      long,
    ),
  ]);
  expect(escrow.status).toBe("rejected");
  expect(payments.status).toBe("fulfilled");
});

test("a full queue refuses at once, by messages and by bytes, and has room again afterwards", async () => {
  for (const limits of [
    { maxMessages: 3, maxBytes: 1_000_000 },
    { maxMessages: 100, maxBytes: 3 * bytesOf(command("a", "1")) },
  ]) {
    const gate = createGate();
    const { publisher } = setUp(gate.pass, limits);
    const accepted = ["1", "2", "3"].map((id) => publisher.publish(command("a", id), long));
    await expect(publisher.publish(command("a", "4"), long)).rejects.toThrow(NotSentError);
    gate.open();
    await Promise.all(accepted);
    await publisher.publish(command("a", "4"), long);
  }
});

test("a deadline ends the wait, not the send: no second one begins beside it", async () => {
  const gate = createGate();
  const { log, publisher } = setUp(gate.pass);
  const flying = outcome(publisher.publish(command("a", "1"), 100));
  await gate.reached(1);
  const queued = outcome(publisher.publish(command("a", "2"), 100));
  await clock.advance(200);
  expect(await flying).toMatch(/^TransientError: .*may have been accepted/);
  expect(await queued).toMatch(/^NotSentError: .*was not sent/);
  const later = publisher.publish(command("a", "3"), long);
  await clock.advance(100);
  expect(log.sends).toHaveLength(1);
  gate.open();
  await later;
  expect(log.records.map(idOf)).toEqual(["1", "3"]);
});

test("a partition's part of one request stays below half of the log's limit, in order", async () => {
  const { log, publisher } = setUp();
  const random = seeded(7);
  const texts = Array.from({ length: 60 }, () => "x".repeat(Math.floor(random() * 64_000)));
  await Promise.all(
    texts.map((text, id) => publisher.publish(command("a", String(id), text), long)),
  );
  for (const send of log.sends) {
    const bytes = send.reduce((sum, record) => sum + recordBytes(record), 0);
    expect(bytes).toBeLessThanOrEqual(maxPartitionBytes);
  }
  expect(log.sends.length).toBeGreaterThan(2);
  expect(log.records.map(idOf)).toEqual(texts.map((_, id) => String(id)));
});

test("refuses, before sending, events (an outbox writes them) and what is too large", async () => {
  const { log, publisher } = setUp();
  const event: Outgoing = {
    ...command("a", "1"),
    topic: topics.escrowEvents,
    message: create(EventSchema, { escrowId: "a" }),
  };
  await expect(publisher.publish(event, long)).rejects.toThrow(TerminalError);
  const large = command("a", "1", "x".repeat(950_000));
  await expect(publisher.publish(large, long)).rejects.toThrow(TerminalError);
  expect(log.sends).toEqual([]);
});

test("closing sends what waits and accepts nothing more", async () => {
  const gate = createGate();
  const { log, publisher } = setUp(gate.pass);
  const accepted = ["1", "2"].map((id) => publisher.publish(command("a", id), long));
  const closed = publisher.close();
  await expect(publisher.publish(command("a", "3"), long)).rejects.toThrow(NotSentError);
  gate.open();
  await closed;
  await Promise.all(accepted);
  expect(log.records).toHaveLength(2);
});

function setUp(
  fate?: (records: readonly NewRecord[]) => Fate | Promise<Fate>,
  limits?: PublisherLimits,
) {
  const log = createFakeLog(fate);
  const options = { log, clock, logger: silentLogger, producerName: "test" };
  return {
    log,
    publisher: createPublisher(limits === undefined ? options : { ...options, limits }),
  };
}

function command(escrowId: string, commandId: string, correlationId = "c"): Outgoing {
  const message = create(StringValueSchema, { value: `${escrowId} ${commandId}` });
  return { topic: notes, message, correlationId, causationId: "" };
}

test("what no reader would take is refused before it is sent", async () => {
  const { log, publisher } = setUp(() => "written");
  const message = create(CommandSchema, { escrowId: "a", commandId: "not 64 hex" });
  const invalid = { topic: topics.escrowCommands, message, correlationId: "", causationId: "" };
  await expect(publisher.publish(invalid, long)).rejects.toThrow(TerminalError);
  expect(log.records).toEqual([]);
});

function idOf(record: NewRecord): string | undefined {
  return record.headers["message-id"];
}

function refusal(): RecordRefusedError {
  return new RecordRefusedError("test", "MESSAGE_TOO_LARGE");
}

function bytesOf(outgoing: Outgoing): number {
  return recordBytes(encode(outgoing, "test", clock.now()));
}

async function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

/** Holds sends until it is opened. */
function createGate() {
  const opened = Promise.withResolvers<void>();
  let waiting = 0;
  return {
    pass: async (): Promise<Fate> => {
      waiting += 1;
      await opened.promise;
      return "written";
    },
    reached: async (count: number): Promise<void> => {
      while (waiting < count) await new Promise(setImmediate);
    },
    open: () => opened.resolve(),
  };
}
