/**
 * From the body of an HTTP request to the body of a command, one entry per route. Free text is
 * sealed on the way: nothing readable about a person leaves this process.
 */
import { create, type DescMessage, type JsonObject, type Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  AcceptSettlementSchema,
  AcceptTermsSchema,
  AddEvidenceSchema,
  AmendTermsSchema,
  CancelEscrowSchema,
  MarkDeliveredSchema,
  OfferSettlementSchema,
  RaiseDisputeSchema,
  RefundEscrowSchema,
  ReleaseFundsSchema,
  ResolveDisputeSchema,
  UnblockEscrowSchema,
  WithdrawDisputeSchema,
} from "#gen/escrow/v1/commands_pb";
import {
  AcceptOfferRequestSchema,
  AcceptRequestSchema,
  AmendRequestSchema,
  type AmountInput,
  CancelRequestSchema,
  DeliverRequestSchema,
  DisputeRequestSchema,
  EvidenceRequestSchema,
  RefundRequestSchema,
  ReleaseRequestSchema,
  ResolveRequestSchema,
  SettlementOfferRequestSchema,
  UnblockRequestSchema,
  WithdrawDisputeRequestSchema,
} from "#gen/escrow/v1/http_pb";
import type { SealedText, Terms } from "#gen/escrow/v1/types_pb";
import { toMessage } from "#platform/http/body";
import { HttpProblem } from "#platform/http/problem";
import type { CommandBody } from "./domain/messages.ts";
import { amendedTerms, type Seal } from "./terms-input.ts";

export interface ReadContext {
  readonly seal: Seal;
  readonly param: (name: string) => string;
  /** The escrow's terms as they stand now. */
  readonly currentTerms: () => Promise<Terms>;
  /** The sanctions locks that stand now. */
  readonly blocks: () => Promise<readonly string[]>;
}

export interface CommandRoute {
  /** Behind /v1/escrows/:id/ */
  readonly path: string;
  /** Part of the command's id: a repeated request has the same one. */
  readonly commandType: string;
  /** For the reference. */
  readonly summary: string;
  readonly body: DescMessage;
  readonly read: (json: JsonObject, context: ReadContext) => Promise<CommandBody>;
  /** Only this role may ask at all. */
  readonly role?: "admin";
  /** Whom the decider lets do it, as the reference says it; completes "For …". Absent: both parties. */
  readonly audience?: string;
  /** Whose request waits for a second operator: everybody's, or that of one who is no member. */
  readonly twoOperators?: "always" | "operator";
}

export const commandRoutes: readonly CommandRoute[] = [
  route(
    AcceptRequestSchema,
    { path: "accept", summary: "Accept exactly these terms.", commandType: "AcceptTerms" },
    async ({ termsHash }) => ({
      case: "acceptTerms",
      value: create(AcceptTermsSchema, { termsHash }),
    }),
  ),
  route(
    DeliverRequestSchema,
    {
      path: "deliver",
      summary: "Say that it was delivered.",
      commandType: "MarkDelivered",
      audience: "its seller",
    },
    async (body, { seal }) => ({
      case: "markDelivered",
      value: create(MarkDeliveredSchema, {
        milestoneId: body.milestoneId,
        ...optional("note", await seal(body.note)),
      }),
    }),
  ),
  route(
    ReleaseRequestSchema,
    {
      path: "release",
      summary: "Pay the seller, all that is held or a part.",
      commandType: "ReleaseFunds",
      audience: "its buyer, or role admin with a second operator",
      twoOperators: "operator",
    },
    async (body, { seal }) => ({
      case: "releaseFunds",
      value: create(ReleaseFundsSchema, {
        milestoneId: body.milestoneId,
        ...amountOf(body.amount),
        ...optional("reason", await seal(body.reason)),
      }),
    }),
  ),
  route(
    RefundRequestSchema,
    {
      path: "refund",
      summary: "Pay the buyer back, all that is held or a part.",
      commandType: "RefundEscrow",
      audience: "its seller, or role admin with a second operator",
      twoOperators: "operator",
    },
    async (body, { seal }) => ({
      case: "refundEscrow",
      value: create(RefundEscrowSchema, {
        milestoneId: body.milestoneId,
        ...amountOf(body.amount),
        ...optional("reason", await seal(body.reason)),
      }),
    }),
  ),
  route(
    CancelRequestSchema,
    {
      path: "cancel",
      summary: "Call the deal off; after it was paid both have to want it.",
      commandType: "CancelEscrow",
    },
    async ({ reason }, { seal }) => ({
      case: "cancelEscrow",
      value: create(CancelEscrowSchema, optional("reason", await seal(reason))),
    }),
  ),
  route(
    DisputeRequestSchema,
    {
      path: "dispute",
      summary: "Lock the money until the dispute is decided.",
      commandType: "RaiseDispute",
    },
    async (body, { seal }) => ({
      case: "raiseDispute",
      value: create(RaiseDisputeSchema, {
        milestoneId: body.milestoneId,
        ...optional("reason", await seal(body.reason)),
      }),
    }),
  ),
  route(
    WithdrawDisputeRequestSchema,
    {
      path: "withdraw-dispute",
      summary: "Take the dispute back.",
      commandType: "WithdrawDispute",
      audience: "the party that raised it",
    },
    async ({ milestoneId }) => ({
      case: "withdrawDispute",
      value: create(WithdrawDisputeSchema, { milestoneId }),
    }),
  ),
  route(
    ResolveRequestSchema,
    {
      path: "resolve",
      summary: "Decide a dispute: how much goes to either side.",
      commandType: "ResolveDispute",
      role: "admin",
    },
    async (body, { seal }) => ({
      case: "resolveDispute",
      value: create(ResolveDisputeSchema, {
        milestoneId: body.milestoneId,
        buyer: BigInt(body.buyer),
        seller: BigInt(body.seller),
        ...optional("reason", await seal(body.reason)),
      }),
    }),
  ),
  route(
    EvidenceRequestSchema,
    {
      path: "evidence",
      summary: "Add a text or a file's hash to what speaks for you.",
      commandType: "AddEvidence",
      audience: "its buyer and seller, or role admin",
    },
    async (body, { seal }) => ({
      case: "addEvidence",
      value: create(AddEvidenceSchema, {
        milestoneId: body.milestoneId,
        sha256: body.sha256,
        url: body.url,
        ...optional("text", await seal(body.text)),
      }),
    }),
  ),
  route(
    AmendRequestSchema,
    {
      path: "amend",
      summary: "Propose other terms, or accept the deal's `proposedTerms` by their hash.",
      commandType: "AmendTerms",
    },
    async (body, { seal, currentTerms }) => ({
      case: "amendTerms",
      value: create(
        AmendTermsSchema,
        body.termsHash === ""
          ? { terms: await amendedTerms(body, seal, await currentTerms()) }
          : { termsHash: body.termsHash },
      ),
    }),
  ),
  route(
    SettlementOfferRequestSchema,
    {
      path: "settlement-offers",
      summary: "Offer a split that would end the dispute.",
      commandType: "OfferSettlement",
    },
    async ({ milestoneId, buyer, seller }) => ({
      case: "offerSettlement",
      value: create(OfferSettlementSchema, {
        milestoneId,
        buyer: BigInt(buyer),
        seller: BigInt(seller),
      }),
    }),
  ),
  route(
    AcceptOfferRequestSchema,
    {
      path: "settlement-offers/:offerId/accept",
      summary: "Accept an offered split.",
      commandType: "AcceptSettlement",
      audience: "the party that did not offer it",
    },
    async (_body, { param }) => ({
      case: "acceptSettlement",
      value: create(AcceptSettlementSchema, { offerId: param("offerId") }),
    }),
  ),
  route(
    UnblockRequestSchema,
    {
      path: "unblock",
      summary: "Lift a block of sanctions; a second operator approves it.",
      commandType: "UnblockEscrow",
      role: "admin",
      twoOperators: "always",
    },
    async ({ reason }, { seal, blocks }) => ({
      case: "unblockEscrow",
      value: create(UnblockEscrowSchema, {
        references: [...(await blocks())],
        ...optional("reason", await seal(reason)),
      }),
    }),
  ),
];

/** Ties a body's schema to what is made of it. */
function route<M extends Message>(
  schema: GenMessage<M>,
  about: Omit<CommandRoute, "body" | "read">,
  build: (body: M, context: ReadContext) => Promise<CommandBody>,
): CommandRoute {
  return {
    ...about,
    body: schema,
    read: async (json, context) => build(readBody(schema, json), context),
  };
}

/**
 * A bare amount is in the escrow's currency; problems name it as the client wrote it. A milestone's
 * variable that nobody set would pay out all of them.
 */
function readBody<M extends Message>(schema: GenMessage<M>, json: JsonObject): M {
  const takesAmount = schema.fields.some(
    ({ message }) => message?.typeName === "escrow.v1.AmountInput",
  );
  if (takesAmount && json.milestoneId === "") {
    const detail = "Empty is no milestone: leave the field out for all that is held.";
    throw new HttpProblem("INVALID_FIELD", detail, { field: "milestoneId" });
  }
  if (!takesAmount || typeof json.amount !== "string") return toMessage(schema, json);
  try {
    return toMessage(schema, { ...json, amount: { amount: json.amount } });
  } catch (error) {
    if (!(error instanceof HttpProblem) || error.field !== "amount.amount") throw error;
    throw new HttpProblem(error.code, error.message, { field: "amount" });
  }
}

/** 0 in a command means all that is held; an amount that was sent is at least 1. */
function amountOf(input: AmountInput | undefined): { amount: bigint; currency: string } {
  if (input === undefined) return { amount: 0n, currency: "" };
  return { amount: BigInt(input.amount), currency: input.currency };
}

function optional<N extends string>(
  name: N,
  text: SealedText | undefined,
): { [K in N]?: SealedText } {
  return (text === undefined ? {} : { [name]: text }) as { [K in N]?: SealedText };
}
