/**
 * From a stored record to what one caller sees: texts opened, and the actions his side may take
 * next. Whether he may see it at all was asked before (see access.ts).
 */
import { create } from "@bufbuild/protobuf";
import { type EscrowRecord, type EscrowView, EscrowViewSchema } from "#gen/escrow/v1/queries_pb";
import {
  type Actor,
  type EscrowStatus,
  EscrowStatus_State,
  type Lock,
  Lock_Kind,
  type SealedText,
} from "#gen/escrow/v1/types_pb";
import { actorOf } from "#platform/http/principal";
import type { Principal } from "#platform/module";

/** Escrow's own pure rule, handed over by roles.ts: the two modules do not import each other. */
export type AllowedActions = (
  standing: { status: EscrowStatus; buyerId: string; sellerId: string; serviceId: string },
  actor: Actor,
) => readonly string[];

export interface Texts {
  /** The text, or undefined once its subject's key is destroyed. */
  open(sealed: SealedText): Promise<string | undefined>;
}

export async function viewOf(
  record: EscrowRecord,
  principal: Principal,
  { texts, allowedActions }: { texts: Texts; allowedActions: AllowedActions },
): Promise<EscrowView> {
  const { terms, status, created } = record;
  const open = opener(texts);
  const parties = {
    buyerId: terms?.buyerId ?? "",
    sellerId: terms?.sellerId ?? "",
    serviceId: created?.serviceId ?? "",
  };
  const proposedTerms = await proposedView(record, open);
  return create(EscrowViewSchema, {
    escrowId: record.escrowId,
    state: status?.state ?? EscrowStatus_State.UNSPECIFIED,
    version: record.version,
    buyerId: parties.buyerId,
    sellerId: parties.sellerId,
    title: await open(terms?.title),
    description: await open(terms?.description),
    ...(terms?.amount && { amount: terms.amount }),
    milestones: await Promise.all(
      (status?.milestones ?? []).map(async ({ $typeName: _type, title, ...milestone }) => ({
        ...milestone,
        title: await open(title),
      })),
    ),
    termsHash: record.termsHash,
    ...(terms && { terms: termsView(terms) }),
    locks: [...locksOf(status)],
    ...(status?.releaseBlocked && { releaseBlocked: status.releaseBlocked }),
    refundFailed: status?.refundFailed ?? false,
    ...(status?.funds && { funds: status.funds }),
    fees: feesView(terms),
    timers: (status?.timers ?? []).map(({ kind, dueAt, paused, milestoneId }) => ({
      kind,
      ...(dueAt && { dueAt }),
      paused,
      milestoneId,
    })),
    allowedActions: status ? [...allowedActions({ status, ...parties }, actorOf(principal))] : [],
    offers: status?.offers ?? [],
    cancelRequestedBy: status?.cancelRequestedBy ?? "",
    buyerAccepted: status?.buyerAccepted ?? false,
    sellerAccepted: status?.sellerAccepted ?? false,
    reference: created?.reference ?? "",
    metadata: created?.metadata ?? {},
    ...(record.createdAt && { createdAt: record.createdAt }),
    ...(record.updatedAt && { updatedAt: record.updatedAt }),
    ...(proposedTerms && { proposedTerms }),
  });
}

const over: readonly EscrowStatus_State[] = [
  EscrowStatus_State.RELEASED,
  EscrowStatus_State.REFUNDED,
  EscrowStatus_State.CHARGED_BACK,
  EscrowStatus_State.CLOSED,
  EscrowStatus_State.CANCELLED,
];

/** A fear of fraud stops deadlines, and a deal that is over has none. */
function locksOf(status: EscrowStatus | undefined): readonly Lock[] {
  if (status === undefined) return [];
  const { locks, state } = status;
  return over.includes(state) ? locks.filter(({ kind }) => kind !== Lock_Kind.RISK) : locks;
}

type Open = (sealed: SealedText | undefined) => Promise<string>;

function opener(texts: Texts): Open {
  return async (sealed) => (sealed ? ((await texts.open(sealed)) ?? "") : "");
}

async function proposedView({ proposal, proposedAt }: EscrowRecord, open: Open) {
  const terms = proposal?.terms;
  if (terms === undefined) return undefined;
  return {
    termsHash: proposal?.termsHash ?? "",
    proposedBy: proposal?.proposedBy ?? "",
    ...(proposedAt && { proposedAt }),
    title: await open(terms.title),
    description: await open(terms.description),
    ...(terms.amount && { amount: terms.amount }),
    milestones: await Promise.all(
      terms.milestones.map(async ({ milestoneId, amount, title }) => ({
        milestoneId,
        amount,
        title: await open(title),
      })),
    ),
    fees: feesView(terms),
    terms: termsView(terms),
  };
}

function feesView(terms: EscrowRecord["terms"]) {
  const { buyerFee: buyer = 0n, sellerFee: seller = 0n } = terms ?? {};
  return { buyer, seller, total: buyer + seller };
}

function termsView(terms: NonNullable<EscrowRecord["terms"]>) {
  return {
    fundingDeadline: terms.fundingDeadline,
    deliveryDeadline: terms.deliveryDeadline,
    autoRelease: terms.autoRelease,
    arbiterDeadline: terms.arbiterDeadline,
    defaultOutcome: terms.defaultOutcome,
    deliveryOutcome: terms.deliveryOutcome,
    feeRefund: terms.feeRefund,
    chargebackLiability: terms.chargebackLiability,
    chargebackSellerPercent: terms.chargebackSellerPercent ?? "",
    provider: terms.provider,
    revision: terms.revision,
  };
}
