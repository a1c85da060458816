import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import { SealedTextSchema, type Terms } from "#gen/escrow/v1/types_pb";
import { defaultFees } from "#kernel/fees";
import * as s from "../../../../test/support/escrow-steps.ts";
import { sandboxOnly } from "./routing.ts";
import { canonicalTerms, prepareTerms, termsHash } from "./terms.ts";

const rules = { fees: defaultFees, routing: sandboxOnly };

function prepared(asked: Terms): Terms {
  const result = prepareTerms(asked, rules);
  if ("rejected" in result) throw new Error(result.rejected.detail);
  return result.terms;
}
function refused(asked: Terms): string | undefined {
  const result = prepareTerms(asked, rules);
  return "rejected" in result ? CommandRejected_Code[result.rejected.code] : undefined;
}

test("what is left out gets its default, and one milestone is made", () => {
  const terms = prepared(s.terms());
  expect(JSON.parse(canonicalTerms(terms))).toEqual({
    amount: { amount: "10000", currency: "USD" },
    arbiterDeadline: "P30D",
    autoRelease: "P7D",
    buyerFee: "320",
    buyerId: "alice",
    chargebackLiability: "SELLER",
    defaultOutcome: "REFUND",
    deliveryDeadline: "P30D",
    deliveryOutcome: "REFUND",
    feeRefund: "RETURN",
    fundingDeadline: "PT72H",
    milestones: [{ amount: "10000", milestoneId: "m1" }],
    provider: "sandbox",
    reminders: [],
    revision: 1,
    sellerFee: "50",
    sellerId: "bob",
  });
});

test("fees of the request are not believed", () => {
  const { buyerFee, sellerFee } = prepared(s.terms({ buyerFee: 1n, sellerFee: 2n }));
  expect([buyerFee, sellerFee]).toEqual([320n, 50n]);
});

describe("the hash", () => {
  const hash = termsHash(prepared(s.terms()));
  test("is a fixed vector: what was signed can be checked in ten years", () => {
    expect(hash).toBe("fbd592e4f10d8f6b31d8a3c703cf81d651140859820f4d7ded83b5d98b718b6c");
  });
  test("covers every word: another title, amount or deadline is another hash", () => {
    const title = create(SealedTextSchema, { subject: "alice", ciphertext: new Uint8Array([1]) });
    const others = [
      s.terms({ title }),
      s.terms({ amount: 10_001n }),
      s.terms({ autoRelease: "P8D" }),
      s.terms({ parts: [4_000n, 6_000n] }),
      s.terms({ feeRefund: 2 }),
    ].map((terms) => termsHash(prepared(terms)));
    expect(new Set([hash, ...others]).size).toBe(6);
  });
  test("does not depend on the order in which fields were set", () => {
    const { buyerId, sellerId, ...rest } = prepared(s.terms());
    expect(termsHash({ ...rest, sellerId, buyerId })).toBe(hash);
  });
});

describe("terms are refused", () => {
  test.each<[string, Terms]>([
    ["SAME_PARTY", s.terms({ sellerId: "alice" })],
    ["SAME_PARTY", s.terms({ sellerId: "" })],
    ["CURRENCY_UNSUPPORTED", s.terms({ currency: "CHF" })],
    ["MILESTONES_SUM", s.terms({ parts: [4_000n, 5_999n] })],
    ["MILESTONE_DUPLICATE", duplicate()],
    ["AMOUNT", s.terms({ amount: 0n })],
    ["AMOUNT", s.terms({ amount: -5n })],
    ["AMOUNT", s.terms({ amount: 10n ** 15n })],
    ["AMOUNT", s.terms({ parts: [10_000n, 0n] })],
    ["AMOUNT", s.terms({ amount: 10_005n, currency: "KWD" })],
    ["FEE_EXCEEDS_AMOUNT", s.terms({ amount: 50n })],
    ["DEADLINE_INVALID", s.terms({ autoRelease: "soon" })],
    ["DEADLINE_INVALID", s.terms({ fundingDeadline: "PT0S" })],
    ["DEADLINE_INVALID", s.terms({ deliveryDeadline: "P367D" })],
    ["DEADLINE_INVALID", s.terms({ reminders: ["P1M"] })],
    ["PROVIDER_UNSUPPORTED", s.terms({ provider: "paypal" })],
    ["PROVIDER_UNSUPPORTED", s.terms({ provider: "stripe", currency: "USDC", amount: 10n ** 7n })],
    ["PROVIDER_UNSUPPORTED", s.terms({ provider: "custodian" })],
  ])("with %s", (code, terms) => {
    expect(refused(terms)).toBe(code);
  });
  test("and the smallest amount above the fee is taken", () => {
    expect(refused(s.terms({ amount: 51n }))).toBeUndefined();
  });
});

function duplicate(): Terms {
  const terms = s.terms({ parts: [4_000n, 6_000n] });
  return { ...terms, milestones: terms.milestones.map((m) => ({ ...m, milestoneId: "m1" })) };
}
