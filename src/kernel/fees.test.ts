import { expect, test } from "bun:test";
import fc from "fast-check";
import { required } from "./assert.ts";
import { defaultFees, type FeeTable, feesFor } from "./fees.ts";
import { cumulativeFee, currencyOf, sum } from "./money.ts";

// G8; pitfall 31.
test.each([
  ["USD", 10_000n, 320n, 50n],
  ["EUR", 10_000n, 320n, 50n],
  ["JPY", 10_000n, 330n, 60n],
  ["KWD", 10_000n, 390n, 150n],
  ["USDC", 250_000_000n, 7_550_000n, 500_000n],
])("G8: %s %i costs the buyer %i and the seller %i", (code, amount, buyer, seller) => {
  expect(feesFor(defaultFees, amount, code)).toEqual({ buyer, seller });
});

test("pitfall 31: fees of three-decimal currencies end in 0", () => {
  expect(feesFor(defaultFees, 12_340n, "KWD")).toEqual({ buyer: 450n, seller: 150n });
});

test("G8: a currency without a row, or with one and no minor unit, has no fees", () => {
  expect(feesFor(defaultFees, 10_000n, "CHF")).toBeUndefined();
  const none = { basisPoints: 0n, fixed: 0n };
  const table: FeeTable = new Map([["XTS", { buyer: none, seller: none }]]);
  expect(feesFor(table, 10_000n, "XTS")).toBeUndefined();
});

test("G8: the bounds of a rule hold on either side", () => {
  const buyer = { basisPoints: 100n, fixed: 0n, min: 50n, max: 80n };
  const seller = { basisPoints: 0n, fixed: 7n, max: 5n };
  const table: FeeTable = new Map([["USD", { buyer, seller }]]);
  const paid = [1n, 6_000n, 90_000n].map((amount) => feesFor(table, amount, "USD"));
  expect(paid).toEqual([50n, 60n, 80n].map((fee) => ({ buyer: fee, seller: 5n })));
});

// pitfall 33: the parts add up to the whole, whatever the currency, the rule and the cut.
test("pitfall 33: the fees of any cut into releases add up to the fee of the whole", () => {
  const rule = fc.record({ basisPoints: fc.bigInt(0n, 900n), fixed: fc.bigInt(0n, 60_000n) });
  const cut = fc.array(fc.bigInt(1n, 10n ** 11n), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(
      fc.constantFrom(...defaultFees.keys(), "CHF", "BHD"),
      rule,
      cut,
      (code, own, drawn) => {
        const { step } = required(currencyOf(code), code);
        const parts = drawn.map((part) => part * step);
        const whole = sum(parts);
        const table: FeeTable = new Map([[code, { buyer: own, seller: own }]]);
        const { seller: fee } = required(feesFor(table, whole, code), "fees");
        fc.pre(fee < whole);
        let done = 0n;
        let taken = 0n;
        for (const part of parts) {
          const share = cumulativeFee({ fee, whole, done, taken, part, step });
          expect([share >= 0n, share <= part, share % step]).toEqual([true, true, 0n]);
          done += part;
          taken += share;
        }
        expect(taken).toBe(fee);
      },
    ),
    { numRuns: 2_000 },
  );
});
