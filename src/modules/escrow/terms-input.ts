/** Terms as a client writes them: texts sealed, amounts as integers, absent parts left empty. */
import { create } from "@bufbuild/protobuf";
import type {
  AmendRequest,
  CreateEscrowRequest,
  MilestoneInput,
  TermsInput,
} from "#gen/escrow/v1/http_pb";
import {
  type MilestoneTerms,
  MilestoneTermsSchema,
  MoneySchema,
  type SealedText,
  type Terms,
  Terms_ChargebackLiability,
  TermsSchema,
} from "#gen/escrow/v1/types_pb";
import { HttpProblem } from "#platform/http/problem";
import { tooLarge } from "./domain/terms.ts";

/** Undefined for an absent text. */
export type Seal = (text: string) => Promise<SealedText | undefined>;

/** What a new escrow's creator wrote; defaults and fees are still missing. */
export async function requestedTerms(body: CreateEscrowRequest, seal: Seal): Promise<Terms> {
  refuseTooLarge(body.milestones.length, body.terms?.reminders.length ?? 0);
  const terms = await freeTerms(body, seal);
  terms.buyerId = body.buyerId;
  terms.sellerId = body.sellerId;
  if (body.amount !== undefined) {
    const { amount, currency } = body.amount;
    terms.amount = create(MoneySchema, { amount: BigInt(amount), currency });
  }
  return terms;
}

/** The whole terms as a party wants them: what he left out stays as it is now. */
export async function amendedTerms(body: AmendRequest, seal: Seal, current: Terms): Promise<Terms> {
  const reminders = body.terms?.reminders.length || current.reminders.length;
  refuseTooLarge(body.milestones.length || current.milestones.length, reminders);
  const asked = await freeTerms(body, seal);
  const set = Object.entries(asked).filter(([, value]) => isSet(value));
  const terms = create(TermsSchema, { ...current, ...Object.fromEntries(set) });
  if (body.amount !== undefined) {
    const currency = body.amount.currency || (current.amount?.currency ?? "");
    terms.amount = create(MoneySchema, { amount: BigInt(body.amount.amount), currency });
  }
  terms.milestones = amendedMilestones(terms, current);
  return terms;
}

/** A milestone keeps its title unless a new one was sent; an only one follows the amount. */
function amendedMilestones({ milestones, amount }: Terms, current: Terms): MilestoneTerms[] {
  const [only, ...others] = milestones;
  if (milestones === current.milestones && only && amount && others.length === 0) {
    return [create(MilestoneTermsSchema, { ...only, amount: amount.amount })];
  }
  const titles = new Map(current.milestones.map(({ milestoneId, title }) => [milestoneId, title]));
  return milestones.map((milestone) => {
    const title = milestone.title ?? titles.get(milestone.milestoneId);
    return create(MilestoneTermsSchema, { ...milestone, ...(title && { title }) });
  });
}

/** The decider says the same; here nothing is sealed and published first. */
function refuseTooLarge(milestones: number, reminders: number): void {
  const large = tooLarge(milestones, reminders);
  if (large === undefined) return;
  const field = large.field === "reminders" ? "terms.reminders" : large.field;
  throw new HttpProblem("TERMS_TOO_LARGE", `Too large: ${large.detail}.`, { field });
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== "" && value !== 0 && value !== 0n;
}

interface FreeTerms {
  readonly title: string;
  readonly description: string;
  readonly milestones: readonly MilestoneInput[];
  readonly terms?: TermsInput | undefined;
}

async function freeTerms(body: FreeTerms, seal: Seal): Promise<Terms> {
  const terms = create(TermsSchema, agreedOf(body.terms));
  const [title, description] = await Promise.all([seal(body.title), seal(body.description)]);
  if (title !== undefined) terms.title = title;
  if (description !== undefined) terms.description = description;
  terms.milestones = await Promise.all(body.milestones.map((input) => milestoneOf(input, seal)));
  return terms;
}

function agreedOf(input: TermsInput | undefined) {
  if (input === undefined) return {};
  const { $typeName: _, $unknown: _unknown, chargebackSellerPercent: percent, ...agreed } = input;
  if (percent === "") return agreed;
  const { chargebackLiability: liability } = agreed;
  if (liability !== Terms_ChargebackLiability.RATIO) {
    const field = "terms.chargebackSellerPercent";
    throw new HttpProblem("INVALID_FIELD", "Goes with chargebackLiability RATIO.", { field });
  }
  return { ...agreed, chargebackSellerPercent: percent };
}

async function milestoneOf(input: MilestoneInput, seal: Seal): Promise<MilestoneTerms> {
  const title = await seal(input.title);
  return create(MilestoneTermsSchema, {
    milestoneId: input.milestoneId,
    amount: BigInt(input.amount),
    ...(title !== undefined && { title }),
  });
}
