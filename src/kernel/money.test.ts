import { expect, test } from "bun:test";
import fc from "fast-check";
import { cumulativeFee, currencyOf, sum, takeInOrder } from "./money.ts";

// pitfall 31: minor units; G2.
test.each([
  ["USD", 2, 1n],
  ["JPY", 0, 1n],
  ["KWD", 3, 10n],
  ["USDC", 6, 1n],
])("%s has %i decimals and moves in steps of %i", (code, exponent, step) => {
  expect(currencyOf(code)).toEqual({ code, exponent, step });
});

test("a code nobody mints is no currency", () => {
  expect(currencyOf("XTS")).toBeUndefined();
});

// pitfall 33: the parts add up to the whole.
test("fees of any cut of an amount add up to the whole fee, and none exceeds its part", () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt(1n, 10n ** 13n), { minLength: 1 }),
      fc.bigInt(0n, 100n),
      (cut, share) => {
        const whole = sum(cut);
        const fee = (whole * share) / 100n;
        let done = 0n;
        let taken = 0n;
        for (const part of cut) {
          const own = cumulativeFee({ fee, whole, done, taken, part });
          expect(own >= 0n && own <= part).toBe(true);
          done += part;
          taken += own;
        }
        expect(taken).toBe(fee);
      },
    ),
  );
});

test("a part whose fee was undone in between is never charged below zero", () => {
  expect(cumulativeFee({ fee: 50n, whole: 10_000n, done: 300n, taken: 3n, part: 1n })).toBe(0n);
});

test("taking in order gives what there is and says what is missing", () => {
  expect(takeInOrder(7n, [3n, 0n, 9n])).toEqual({ parts: [3n, 0n, 4n], rest: 0n });
  expect(takeInOrder(20n, [3n, -5n, 9n])).toEqual({ parts: [3n, 0n, 9n], rest: 8n });
});
