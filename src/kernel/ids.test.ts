import { expect, test } from "bun:test";
import { generateCommandEventId, generateEventId, hashFields } from "./ids.ts";

test("a command id matches the published vector", () => {
  const id = generateCommandEventId(
    "esc_1",
    "Create",
    "user_1",
    new Date("2024-01-01T00:00:00.000Z"),
  );
  expect(id).toStartWith("6d4665b7");
  expect(id).toEndWith("e626");
  expect(id).toHaveLength(64);
});

test("fields are length-prefixed: moving a character between fields changes the id", () => {
  expect(hashFields("ab", "c")).not.toBe(hashFields("a", "bc"));
});

test("an instant and its ISO text give the same event id", () => {
  const at = new Date("2024-01-01T00:00:00.000Z");
  expect(generateEventId("esc_1", "EscrowDelivered", "h", at)).toBe(
    generateEventId("esc_1", "EscrowDelivered", "h", at.toISOString()),
  );
});
