import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromUnits, toChargeUnits, toUnits } from "./units.ts";

describe("pitfall 31: our minor units and Stripe's", () => {
  test.each([
    ["10320", "USD", 10_320],
    ["500", "JPY", 500],
    // No decimals by ISO, two at Stripe, both zero.
    ["500", "ISK", 50_000],
    ["500", "UGX", 50_000],
    ["10320", "KWD", 10_320],
  ])("%s %s is %d there, and the same again here", (text, currency, units) => {
    expect(toUnits(text, currency)).toBe(units);
    expect(fromUnits(units, currency)).toBe(BigInt(text));
  });

  test.each([
    ["10321", "KWD"],
    ["0", "USD"],
    ["9007199254740992", "USD"],
    ["90071992547410", "ISK"],
    ["99999999999999999", "USD"],
  ])("%s %s is refused before anything is sent", (text, currency) => {
    expect(() => toUnits(text, currency)).toThrow(expect.objectContaining({ name: "RefusedHere" }));
  });

  test.each([
    ["49", "USD", false],
    ["50", "USD", true],
    ["49", "JPY", false],
    ["99999999", "USD", true],
    ["100000000", "USD", false],
    ["999999", "ISK", true],
    ["1000000", "ISK", false],
  ])("a buyer is asked for %s %s: %p", (text, currency, asked) => {
    const ask = () => toChargeUnits(text, currency);
    if (asked) expect(ask).not.toThrow();
    else expect(ask).toThrow(expect.objectContaining({ name: "RefusedHere" }));
  });

  test.each([
    [0.5, "USD"],
    [100_000_000_000_000_000, "USD"],
    [Number.NaN, "USD"],
    [150, "ISK"],
  ])("%d from Stripe in %s reaches no book", (units, currency) => {
    expect(() => fromUnits(units, currency)).toThrow(
      expect.objectContaining({ name: "TerminalError" }),
    );
  });

  test("pitfall 32: there and back is the same amount, up to the last exact number", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 9_007_199_254_740_991n }), (amount) => {
        expect(fromUnits(toUnits(amount.toString(), "USD"), "USD")).toBe(amount);
      }),
    );
  });
});
