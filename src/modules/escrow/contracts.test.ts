/** Whatever an outside contract system calls its messages, the command they become is a valid one. */
import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "#gen/contracts/v1/events_pb";
import type { Tx } from "#platform/database/database";
import { decode, encode } from "#platform/messaging/codec";
import type { Batch } from "#platform/messaging/handler";
import { topics } from "#topics";
import { terms } from "../../../test/support/escrow-steps.ts";
import { handleContracts } from "./handle.ts";

const now = new Date("2026-01-05T12:00:00Z");

async function commandFor({ eventId, correlationId, reference }: Record<string, string>) {
  const message = create(EventSchema, {
    eventId: eventId ?? "",
    contractId: "contract-1",
    body: { case: "executed", value: { terms: terms(), reference: reference ?? "" } },
  });
  const topic = topics.contractsEvents;
  const said = encode(
    { topic, message, correlationId: correlationId ?? "", causationId: "" },
    "test",
    now,
  );
  const incoming = decode(topic, { ...said, partition: 0, offset: 1n, appendedAt: now });
  const batch: Batch<Event> = { messages: [incoming], each: (visit) => visit(incoming) };
  const [outgoing] = await handleContracts({} as Tx, batch);
  if (!outgoing) throw new Error("no command");
  const record = encode(outgoing, "escrow", now);
  return decode(topics.escrowCommands, { ...record, partition: 0, offset: 1n, appendedAt: now });
}

test("ids that fit are kept", async () => {
  const { message } = await commandFor({ eventId: "e-1", correlationId: "c-1", reference: "r" });
  expect([message.causationId, message.correlationId]).toEqual(["e-1", "c-1"]);
  expect(message.body).toMatchObject({ value: { reference: "r" } });
});

test("longer ones become their hash, the same one each time", async () => {
  const long = {
    eventId: "e".repeat(128),
    correlationId: "c".repeat(500),
    reference: "r".repeat(201),
  };
  const { message } = await commandFor(long);
  expect(message.causationId).toMatch(/^[0-9a-f]{64}$/);
  expect(message.correlationId).toMatch(/^[0-9a-f]{64}$/);
  expect(message.body).toMatchObject({
    value: { reference: expect.stringMatching(/^[0-9a-f]{64}$/) },
  });
  expect((await commandFor(long)).message).toEqual(message);
});
