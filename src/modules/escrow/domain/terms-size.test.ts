/** An escrow has at most 50 milestones, and 100 deadlines with their reminders: each is a timer. */
import { test } from "bun:test";
import * as s from "../../../../test/support/escrow-steps.ts";
import { events, given, play, rejected } from "../../../../test/support/given.ts";

const { buyer, seller } = s;
const reminders = (count: number) => Array.from({ length: count }, (_, i) => `PT${i + 1}H`);
const deal = (parts: number, offsets = 0) =>
  s.terms({
    parts: Array.from({ length: parts }, () => 10_000n / BigInt(parts)),
    reminders: reminders(offsets),
  });

test.each([
  [50, 1],
  [20, 4],
  [10, 8],
])("%i milestones with %i reminders are taken", (parts, offsets) => {
  given(undefined)
    .when(s.createEscrow({ by: buyer, terms: deal(parts, offsets) }))
    .then(events("created"));
});

test.each([
  [100, 0],
  [50, 2],
  [20, 5],
  [16, 8],
])("%i milestones with %i reminders are too large", (parts, offsets) => {
  given(undefined)
    .when(s.createEscrow({ by: buyer, terms: deal(parts, offsets) }))
    .then(rejected("TERMS_TOO_LARGE"));
});

test("an amendment grows no further either", () => {
  given(play(s.createEscrow({ by: buyer, terms: deal(50) })))
    .when(s.amendTerms({ by: seller, terms: deal(50, 2) }))
    .then(rejected("TERMS_TOO_LARGE"));
});
