import { expect, test } from "bun:test";
import fc from "fast-check";
import { required } from "./assert.ts";
import { cumulativeFee, currencyOf, feesFor, sum, takeInOrder } from "./money.ts";

const row = (code: string) => required(currencyOf(code), code);

// pitfall 31: minor units; G2, G8.
test.each([
  ["USD", 2, 10_000n, 320n, 50n],
  ["EUR", 2, 10_000n, 320n, 50n],
  ["JPY", 0, 10_000n, 330n, 60n],
  ["KWD", 3, 10_000n, 390n, 150n],
  ["USDC", 6, 250_000_000n, 7_550_000n, 500_000n],
])("%s has %i decimals and fees by the schedule", (code, exponent, amount, buyer, seller) => {
  expect(row(code).exponent).toBe(exponent);
  expect(feesFor(amount, row(code))).toEqual({ buyer, seller });
});

test("fees of three-decimal currencies end in 0", () => {
  expect(feesFor(12_340n, row("KWD"))).toEqual({ buyer: 450n, seller: 150n });
});

test("a currency without a row has no fees", () => {
  expect(currencyOf("CHF")).toBeUndefined();
});

test("bounds of a fee hold", () => {
  const rule = { basisPoints: 100n, fixed: 0n, min: 50n, max: 80n };
  const bounded = { ...row("USD"), buyerFee: rule };
  expect([1n, 6_000n, 90_000n].map((a) => feesFor(a, bounded).buyer)).toEqual([50n, 60n, 80n]);
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
