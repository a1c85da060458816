import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPattern, matches, matchesType } from "./pattern.ts";

test.each([
  ["order.*", "order.created", true],
  ["order.*", "orders.created", false],
  ["*.status_changed", "order.status_changed", true],
  ["*.status_changed", "status_changed", false],
  ["*.events.v1", "escrow.events.v1", true],
  ["*.events.v1", "escrow.events.v10", false],
  ["*", "anything", true],
  ["a*b*c", "abc", true],
  ["a*b*c", "a-c", false],
  ["ab*ba", "aba", false],
  ["escrow.events.v1", "escrow.events.v1", true],
  ["escrow.events.v1", "escrow-events-v1", false],
])("seed B1: %s meets %s: %p", (pattern, name, met) => {
  expect(matches(pattern, name)).toBe(met);
});

test("seed B1: a pattern means what its regular expression would", () => {
  const text = (letters: string) =>
    fc.array(fc.constantFrom(...letters), { maxLength: 8 }).map((all) => all.join(""));
  fc.assert(
    fc.property(text("ab.*"), text("ab."), (pattern, name) => {
      const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*");
      expect(matches(pattern, name)).toBe(new RegExp(`^${source}$`).test(name));
    }),
  );
});

test("seed B1: a type is met by its full or its short name", () => {
  expect(matchesType(["EscrowDisputed"], "escrow.v1.EscrowDisputed")).toBe(true);
  expect(matchesType(["escrow.v1.*"], "escrow.v1.EscrowDisputed")).toBe(true);
  expect(matchesType(["Disputed"], "escrow.v1.EscrowDisputed")).toBe(false);
  expect(matchesType([], "escrow.v1.EscrowDisputed")).toBe(false);
  expect(matchesType(undefined, "escrow.v1.EscrowDisputed")).toBe(true);
});

test("only a star makes a pattern", () => {
  expect([isPattern("a.*"), isPattern("a.b")]).toEqual([true, false]);
});
