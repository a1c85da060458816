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
  TermsSchema,
} from "#gen/escrow/v1/types_pb";

/** Undefined for an absent text. */
export type Seal = (text: string) => Promise<SealedText | undefined>;

/** What a new escrow's creator wrote; defaults and fees are still missing. */
export async function requestedTerms(body: CreateEscrowRequest, seal: Seal): Promise<Terms> {
  const terms = await freeTerms(body, seal);
  terms.buyerId = body.buyerId;
  terms.sellerId = body.sellerId;
  if (body.amount !== undefined) {
    const { amount, currency } = body.amount;
    terms.amount = create(MoneySchema, { amount: BigInt(amount), currency });
  }
  return terms;
}

/** What a party wants to change; absent parts stay as they are, parties and currency always. */
export async function amendedTerms(body: AmendRequest, seal: Seal): Promise<Terms> {
  const terms = await freeTerms(body, seal);
  if (body.amount !== undefined) {
    const { amount, currency } = body.amount;
    terms.amount = create(MoneySchema, { amount: BigInt(amount), currency });
  }
  return terms;
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
  const { $typeName: _name, $unknown: _unknown, ...agreed } = input;
  return agreed;
}

async function milestoneOf(input: MilestoneInput, seal: Seal): Promise<MilestoneTerms> {
  const title = await seal(input.title);
  return create(MilestoneTermsSchema, {
    milestoneId: input.milestoneId,
    amount: BigInt(input.amount),
    ...(title !== undefined && { title }),
  });
}
