// Bad input B11: whatever bytes arrive on a topic, decoding ends in a message or in one of the two
// errors the consumer parks or stops for; it never throws anything else, hangs or eats memory.
import { expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { CommandSchema, ReleaseFundsSchema } from "#gen/escrow/v1/commands_pb";
import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import { TerminalError } from "#platform/errors";
import { decode, UnknownTypeError } from "#platform/messaging/codec";
import type { AnyTopic } from "#platform/messaging/topic";
import { allTopics, topics } from "#topics";

function outcome(topic: AnyTopic, value: Uint8Array, key = "esc_1", version = "1"): string {
  try {
    decode(topic, {
      topic: topic.name,
      partition: 0,
      offset: 0n,
      key,
      value,
      headers: { "schema-version": version },
      appendedAt: new Date(0),
    });
    return "decoded";
  } catch (error) {
    if (error instanceof TerminalError) return "terminal";
    if (error instanceof UnknownTypeError) return "unknown";
    throw error;
  }
}

const command = create(CommandSchema, {
  commandId: "a".repeat(64),
  escrowId: "esc_1",
  actor: { kind: Actor_Kind.USER, id: "alice" },
});
const withoutBody = toBinary(CommandSchema, command);
command.body = { case: "releaseFunds", value: create(ReleaseFundsSchema, { amount: 5n }) };
const good = toBinary(CommandSchema, command);
const commands = topics.escrowCommands;

test("a good command decodes: the fuzz has something to break", () => {
  expect(outcome(commands, good)).toBe("decoded");
});

test.each(allTopics.map((topic) => ({ name: topic.name, topic })))(
  "B11: random bytes on $name",
  ({ topic }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), (bytes) => {
        outcome(topic, bytes);
      }),
      { numRuns: 8_000 },
    );
  },
);

test("B11: a good message with bytes changed, cut or inserted", () => {
  const change = fc.record({
    at: fc.nat(good.length - 1),
    byte: fc.nat(255),
    how: fc.constantFrom("change", "cut", "insert"),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = [...good];
      for (const { at, byte, how } of changes) {
        if (how === "cut") bytes.splice(at);
        else bytes.splice(at, how === "change" ? 1 : 0, byte);
      }
      outcome(commands, Uint8Array.from(bytes));
    }),
    { numRuns: 44_000 },
  );
});

test("B11: a length beyond the message, a wrong wire type, a wrong key are terminal", () => {
  expect(outcome(commands, Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toBe("terminal");
  expect(outcome(commands, Uint8Array.from([0x0d, 1, 2, 3, 4]))).toBe("terminal");
  expect(outcome(commands, good.subarray(0, good.length - 1))).toBe("terminal");
  expect(outcome(commands, good, "esc_2")).toBe("terminal");
  expect(outcome(commands, new Uint8Array(0))).toBe("terminal");
});

test("B11: an unknown payload or a newer major version stops, it is not dropped", () => {
  const newer = new BinaryWriter().raw(withoutBody).tag(999, WireType.LengthDelimited).bytes(good);
  expect(outcome(commands, newer.finish())).toBe("unknown");
  expect(outcome(commands, good, "esc_1", "99")).toBe("unknown");
});

test("B11: unknown minor fields are kept apart, an unknown enum value is no crash", () => {
  const more = new BinaryWriter().raw(good).tag(900, WireType.Varint).uint32(1).finish();
  expect(outcome(commands, more)).toBe("decoded");
  const actor = new BinaryWriter().tag(1, WireType.Varint).uint32(77).finish();
  const strange = new BinaryWriter().raw(good).tag(3, WireType.LengthDelimited).bytes(actor);
  expect(["decoded", "terminal"]).toContain(outcome(commands, strange.finish()));
});

test("B11: deep nesting, 300,000 repeated values and 2 MB are terminal, in little memory", () => {
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  let deep: Uint8Array = new Uint8Array(0);
  for (let depth = 0; depth < 5_000; depth += 1) {
    deep = new BinaryWriter()
      .tag(20, WireType.StartGroup)
      .raw(deep)
      .tag(20, WireType.EndGroup)
      .finish();
  }
  expect(outcome(commands, deep)).not.toBe("decoded");
  const repeated = new BinaryWriter().raw(good);
  for (let index = 0; index < 300_000; index += 1)
    repeated.tag(10, WireType.LengthDelimited).bytes(new Uint8Array(0));
  expect(outcome(commands, repeated.finish())).toBe("terminal");
  expect(outcome(commands, new Uint8Array(2_000_000))).toBe("terminal");
  Bun.gc(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_048_576);
});
