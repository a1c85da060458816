/** Before the money: the terms are made, accepted, amended, or the deal is called off. */
import { create } from "@bufbuild/protobuf";
import {
  EscrowAwaitFundsSchema,
  EscrowCancelledSchema,
  EscrowCancelRequestedSchema,
  EscrowCreatedSchema,
  EscrowTermsAcceptedSchema,
  EscrowTermsAmendedSchema,
  EscrowTermsAmendmentProposedSchema,
} from "#gen/escrow/v1/events_pb";
import { type Actor, type Escrow, Escrow_Stage, type Terms } from "#gen/escrow/v1/types_pb";
import { required } from "#kernel/assert";
import { Code, type Draft, reject, startDraft } from "./draft.ts";
import { fundsOf, isBlocked, termsOf } from "./escrow.ts";
import { sharesInOrder } from "./funds.ts";
import {
  anyDisputeGuard,
  creatingService,
  freezeGuard,
  fundedGuard,
  isBuyer,
  isParty,
  isSystem,
  lockedBy,
  reviewGuard,
} from "./guards.ts";
import { limitGuard } from "./limits.ts";
import type { CommandOf, Context, Decision, Rejection } from "./messages.ts";
import { requestRefund } from "./requests.ts";
import { isSettled } from "./status.ts";
import { prepareTerms, termsHash } from "./terms.ts";
import { timersUnder } from "./timers.ts";

export function createEscrow(
  state: Escrow | undefined,
  command: CommandOf<"createEscrow">,
  context: Context,
): Decision {
  const { actor } = context;
  if (state) return reject(Code.ALREADY_EXISTS, "the escrow exists already");
  if (!command.terms) return reject(Code.AMOUNT, "an escrow needs terms");
  if (!mayCreate(command.terms, actor)) {
    return reject(Code.ROLE_REQUIRED, "only a party, an admin or a service creates an escrow");
  }
  const prepared = prepareTerms({ ...command.terms, revision: 1 }, context.rules);
  if ("rejected" in prepared) return prepared;
  const limited = limitGuard(undefined, prepared.terms, context);
  if (limited) return { rejected: limited };
  const both = command.acceptedByBoth && isSystem(actor);
  const draft = startDraft(undefined, context);
  draft.say({ case: "created", value: created(prepared.terms, command, { actor, both }) });
  if (both) awaitFunds(draft);
  return draft.decision();
}

export function acceptTerms(
  draft: Draft,
  { termsHash: hash }: CommandOf<"acceptTerms">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const stage = acceptGuard(escrow);
  if (stage) return { rejected: stage };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties accept terms");
  if (isBuyer(escrow, actor) ? escrow.buyerAccepted : escrow.sellerAccepted) {
    return reject(Code.ALREADY_ACCEPTED, "this party has accepted");
  }
  if (hash !== escrow.termsHash) {
    return reject(Code.TERMS_HASH_MISMATCH, "these are not the terms that were proposed");
  }
  const value = create(EscrowTermsAcceptedSchema, { acceptedBy: actor.id, termsHash: hash });
  draft.say({ case: "termsAccepted", value });
  if (draft.escrow.buyerAccepted && draft.escrow.sellerAccepted) awaitFunds(draft);
  return draft.decision();
}

export function amendTerms(
  draft: Draft,
  command: CommandOf<"amendTerms">,
  context: Context,
): Decision {
  const { escrow } = draft;
  const { actor } = context;
  const rejected = amendGuard(escrow);
  if (rejected) return { rejected };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties amend terms");
  if (!command.terms) return acceptAmendment(draft, command.termsHash, context);
  const revision = termsOf(escrow).revision + 1;
  const provider = command.terms.provider || termsOf(escrow).provider;
  const prepared = prepareTerms({ ...command.terms, provider, revision }, context.rules);
  if ("rejected" in prepared) return prepared;
  const terms = withAgreedFees(termsOf(escrow), prepared.terms);
  if (isImmutableTouched(escrow, terms)) {
    return reject(Code.TERMS_IMMUTABLE, immutable);
  }
  const hash = termsHash(terms);
  if (hash === escrow.proposedTermsHash && actor.id !== escrow.proposedTermsBy) {
    return acceptAmendment(draft, hash, context);
  }
  const proposal = { terms, termsHash: hash, proposedBy: actor.id };
  const value = create(EscrowTermsAmendmentProposedSchema, proposal);
  draft.say({ case: "termsAmendmentProposed", value });
  return draft.decision();
}

export function cancelEscrow(
  draft: Draft,
  command: CommandOf<"cancelEscrow">,
  { actor }: Context,
): Decision {
  const { escrow } = draft;
  const rejected = cancelGuard(escrow);
  if (rejected) return { rejected };
  if (!isParty(escrow, actor)) return reject(Code.ROLE_REQUIRED, "only the parties cancel");
  if (escrow.stage !== Escrow_Stage.ACTIVE) {
    cancelNow(draft, { by: actor.id, cause: "PARTY", reason: command.reason });
    return draft.decision();
  }
  if (escrow.cancelRequestedBy === actor.id) {
    return reject(Code.ALREADY_ACCEPTED, "waits for the other party's cancel");
  }
  if (!escrow.cancelRequestedBy) {
    const requestedBy = actor.id;
    const reason = command.reason && { reason: command.reason };
    const value = create(EscrowCancelRequestedSchema, { requestedBy, ...reason });
    draft.say({ case: "cancelRequested", value });
    return draft.decision();
  }
  const held = sharesInOrder(escrow, fundsOf(escrow).held, (m) => m.held);
  requestRefund(draft, held, { rule: "MUTUAL_CANCEL" });
  return draft.decision();
}

export function cancelNow(
  draft: Draft,
  told: { by: string; cause: string; reason?: CommandOf<"cancelEscrow">["reason"] },
): void {
  const { by: cancelledBy, cause, reason } = told;
  const value = create(EscrowCancelledSchema, { cancelledBy, cause, ...(reason && { reason }) });
  draft.say({ case: "cancelled", value });
}

function mayCreate({ buyerId, sellerId }: Terms, actor: Actor): boolean {
  const party = actor.id === buyerId || actor.id === sellerId;
  const role = actor.roles.includes("admin") || actor.roles.includes("service");
  return isSystem(actor) || party || role;
}

function created(
  terms: Terms,
  command: CommandOf<"createEscrow">,
  { actor, both }: { actor: Actor; both: boolean },
) {
  return create(EscrowCreatedSchema, {
    terms,
    termsHash: termsHash(terms),
    createdBy: actor.id,
    serviceId: creatingService(actor),
    buyerAccepted: both || actor.id === terms.buyerId,
    sellerAccepted: both || actor.id === terms.sellerId,
    reference: command.reference,
    metadata: command.metadata,
    statementDescriptorSuffix: command.statementDescriptorSuffix,
  });
}

function awaitFunds(draft: Draft): void {
  const { amount, buyerFee } = termsOf(draft.escrow);
  const money = required(amount, "the terms' amount");
  const value = create(EscrowAwaitFundsSchema, { amount: money, buyerFee });
  draft.say({ case: "awaitFunds", value });
}

function acceptGuard(escrow: Escrow): Rejection | undefined {
  if (isBlocked(escrow)) return lockedBy("the funds are blocked");
  if (escrow.stage === Escrow_Stage.PROPOSED) return undefined;
  if (escrow.stage === Escrow_Stage.CANCELLED) return fundedGuard(escrow);
  if (isSettled(escrow)) return fundedGuard(escrow);
  return { code: Code.ALREADY_ACCEPTED, detail: "both parties have accepted" };
}

function amendGuard(escrow: Escrow): Rejection | undefined {
  if (isBlocked(escrow)) return lockedBy("the funds are blocked");
  const open = escrow.stage === Escrow_Stage.PROPOSED || escrow.stage === Escrow_Stage.AWAIT_FUNDS;
  if (open) return undefined;
  return wholeEscrowGuard(escrow);
}

function cancelGuard(escrow: Escrow): Rejection | undefined {
  return (
    amendGuard(escrow) ?? (escrow.stage === Escrow_Stage.ACTIVE ? reviewGuard(escrow) : undefined)
  );
}

/** What concerns the whole funded escrow: nothing locked, and something left to decide on. */
function wholeEscrowGuard(escrow: Escrow): Rejection | undefined {
  const locked = fundedGuard(escrow) ?? freezeGuard(escrow) ?? anyDisputeGuard(escrow);
  if (locked) return locked;
  if (fundsOf(escrow).held > 0n) return undefined;
  return { code: Code.DECISION_STANDS, detail: "all money is decided and on its way" };
}

function acceptAmendment(draft: Draft, hash: string, context: Context): Decision {
  const { actor } = context;
  const { proposedTerms: terms, proposedTermsBy, proposedTermsHash, stage } = draft.escrow;
  if (!terms) return reject(Code.NOT_PROPOSED, "no amendment waits");
  if (hash !== proposedTermsHash) {
    return reject(Code.TERMS_HASH_MISMATCH, "these are not the terms that were proposed");
  }
  if (actor.id === proposedTermsBy) {
    return reject(Code.ALREADY_ACCEPTED, "waits for the other party");
  }
  // The standing terms may have been accepted since: then the money is agreed.
  if (isImmutableTouched(draft.escrow, terms)) return reject(Code.TERMS_IMMUTABLE, immutable);
  const limited = limitGuard(draft.escrow.terms, terms, context);
  if (limited) return { rejected: limited };
  const timers = timersUnder(terms, draft.escrow, draft.now);
  const value = create(EscrowTermsAmendedSchema, { terms, termsHash: hash, timers });
  draft.say({ case: "termsAmended", value });
  if (stage === Escrow_Stage.PROPOSED) awaitFunds(draft);
  return draft.decision();
}

const immutable = "parties and currency stay, money too once accepted";

/** An amount agreed before keeps its fees, whatever the table says today. */
function withAgreedFees(agreed: Terms, next: Terms): Terms {
  if (agreed.amount?.amount !== next.amount?.amount) return next;
  return { ...next, buyerFee: agreed.buyerFee, sellerFee: agreed.sellerFee };
}

function isImmutableTouched({ terms: agreed, stage }: Escrow, next: Terms): boolean {
  if (!agreed || agreed.buyerId !== next.buyerId || agreed.sellerId !== next.sellerId) return true;
  if (agreed.amount?.currency !== next.amount?.currency) return true;
  if (stage === Escrow_Stage.PROPOSED) return false;
  return moneyText(agreed) !== moneyText(next);
}

function moneyText({ amount, milestones, provider }: Terms): string {
  const parts = milestones.map((m) => `${m.milestoneId}=${m.amount}`);
  return [amount?.amount, provider, ...parts].join(" ");
}
