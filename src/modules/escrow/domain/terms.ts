/**
 * The deal: completed with defaults and fees, checked, and pinned by the SHA-256 of its canonical
 * JSON. Whoever accepts the hash accepts every word and number of it.
 */
import { create, type JsonValue, toJson } from "@bufbuild/protobuf";
import { CommandRejected_Code as Code } from "#gen/escrow/v1/events_pb";
import {
  type MilestoneTerms,
  MilestoneTermsSchema,
  type Money,
  type Terms,
  Terms_ChargebackLiability,
  Terms_FeeRefund,
  Terms_Outcome,
  TermsSchema,
} from "#gen/escrow/v1/types_pb";
import { parseDuration } from "#kernel/duration";
import { type Fees, feesFor } from "#kernel/fees";
import { sha256Hex } from "#kernel/ids";
import { type Currency, currencyOf, maxAmount, sum } from "#kernel/money";
import type { Rejection, Rules } from "./messages.ts";
import { providerFor, providerGuard } from "./routing.ts";

/** Each milestone has deadlines, each deadline its reminders, and every event tells all of them. */
const maxMilestones = 50;
const maxDeadlines = 100;
const year = 366n * 86_400_000n;

/** The terms as they will be pinned, or why they cannot be. Fees always come from the table. */
export function prepareTerms(
  asked: Terms,
  { fees: table, routing }: Pick<Rules, "fees" | "routing">,
): { terms: Terms } | { rejected: Rejection } {
  const money = asked.amount;
  const currency = money && currencyOf(money.currency);
  const fees = money && feesFor(table, money.amount, money.currency);
  if (!money || !currency || !fees) {
    const priced = [...table.keys()].join(", ");
    return no(Code.CURRENCY_UNSUPPORTED, `fees are set for ${priced}, for no other currency`);
  }
  const terms = complete(
    { ...asked, provider: asked.provider || providerFor(money, routing) },
    money,
    fees,
  );
  const rejected =
    checkParties(terms) ??
    checkSize(terms) ??
    checkAmounts(terms, money, currency) ??
    checkDeadlines(terms) ??
    providerGuard(terms.provider, money, routing);
  return rejected ? { rejected } : { terms };
}

/** What of terms is more than one escrow may have, in words; undefined when nothing is. */
export function tooLarge(
  milestones: number,
  reminders: number,
): { field: "milestones" | "reminders"; detail: string } | undefined {
  if (milestones > maxMilestones) {
    return { field: "milestones", detail: `at most ${maxMilestones} milestones` };
  }
  if (milestones * (1 + reminders) <= maxDeadlines) return undefined;
  const detail = `milestones, each with its reminders, are at most ${maxDeadlines}`;
  return { field: "reminders", detail };
}

/** 64 hex characters over the canonical JSON of the terms. */
export function termsHash(terms: Terms): string {
  return sha256Hex(canonicalTerms(terms));
}

/** JSON with sorted keys, without blanks, all fields present: equal terms have equal text. */
export function canonicalTerms(terms: Terms): string {
  return canonical(toJson(TermsSchema, terms, { alwaysEmitImplicit: true }));
}

function complete(asked: Terms, money: Money, fees: Fees): Terms {
  // What is not of the deal is not in its text either: its hash would change.
  const { chargebackSellerPercent: percent, ...rest } = asked;
  const ratio = asked.chargebackLiability === Terms_ChargebackLiability.RATIO;
  return create(TermsSchema, {
    ...rest,
    ...(ratio && { chargebackSellerPercent: percent || "50" }),
    milestones: asked.milestones.length > 0 ? asked.milestones : [wholeMilestone(asked, money)],
    fundingDeadline: asked.fundingDeadline || "PT72H",
    deliveryDeadline: asked.deliveryDeadline || "P30D",
    autoRelease: asked.autoRelease || "P7D",
    arbiterDeadline: asked.arbiterDeadline || "P30D",
    defaultOutcome: asked.defaultOutcome || Terms_Outcome.REFUND,
    deliveryOutcome: asked.deliveryOutcome || Terms_Outcome.REFUND,
    feeRefund: asked.feeRefund || Terms_FeeRefund.RETURN,
    chargebackLiability: asked.chargebackLiability || Terms_ChargebackLiability.SELLER,
    buyerFee: fees.buyer,
    sellerFee: fees.seller,
    revision: asked.revision || 1,
  });
}

function wholeMilestone({ title }: Terms, { amount }: Money): MilestoneTerms {
  return create(MilestoneTermsSchema, { milestoneId: "m1", amount, ...(title && { title }) });
}

function checkParties({ buyerId, sellerId }: Terms): Rejection | undefined {
  if (!buyerId || !sellerId) return rejection(Code.SAME_PARTY, "a party is missing");
  if (buyerId === sellerId) return rejection(Code.SAME_PARTY, "buyer and seller are the same");
  return undefined;
}

function checkSize({ milestones, reminders }: Terms): Rejection | undefined {
  const large = tooLarge(milestones.length, reminders.length);
  return large && rejection(Code.TERMS_TOO_LARGE, large.detail);
}

function checkAmounts(terms: Terms, money: Money, currency: Currency): Rejection | undefined {
  const { milestones } = terms;
  const amounts = [money.amount, ...milestones.map((m) => m.amount)];
  if (amounts.some((amount) => amount <= 0n || amount > maxAmount)) {
    return rejection(Code.AMOUNT, "amounts are above 0 and at most 10^15 minor units");
  }
  if (money.amount + terms.buyerFee > maxAmount) {
    return rejection(Code.AMOUNT, "the amount and the buyer's fee are above 10^15 minor units");
  }
  if (amounts.some((amount) => amount % currency.step !== 0n)) {
    return rejection(Code.AMOUNT, `amounts are multiples of ${currency.step}`);
  }
  if (new Set(milestones.map((m) => m.milestoneId)).size !== milestones.length) {
    return rejection(Code.MILESTONE_DUPLICATE, "two milestones have one id");
  }
  if (sum(milestones.map((m) => m.amount)) !== money.amount) {
    return rejection(Code.MILESTONES_SUM, "the milestones do not add up to the amount");
  }
  if (terms.sellerFee >= money.amount) {
    return rejection(Code.FEE_EXCEEDS_AMOUNT, "the seller's fee is not below the amount");
  }
  return undefined;
}

function checkDeadlines(terms: Terms): Rejection | undefined {
  const { fundingDeadline, deliveryDeadline, autoRelease, arbiterDeadline, reminders } = terms;
  const all = [fundingDeadline, deliveryDeadline, autoRelease, arbiterDeadline, ...reminders];
  const bad = all.find((text) => !isDeadline(text));
  if (bad === undefined) return undefined;
  return rejection(
    Code.DEADLINE_INVALID,
    `not a duration above 0 and up to P366D, without months and years: ${bad}`,
  );
}

function isDeadline(text: string): boolean {
  const ms = parseDuration(text);
  return ms !== undefined && ms > 0n && ms <= year;
}

function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
  return `{${members.join(",")}}`;
}

function no(code: Code, detail: string): { rejected: Rejection } {
  return { rejected: rejection(code, detail) };
}

function rejection(code: Code, detail: string): Rejection {
  return { code, detail };
}
