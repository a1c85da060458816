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
    "accept",
    "Accept exactly these terms.",
    "AcceptTerms",
    AcceptRequestSchema,
    async ({ termsHash }) => ({
      case: "acceptTerms",
      value: create(AcceptTermsSchema, { termsHash }),
    }),
  ),
  {
    ...route(
      "deliver",
      "Say that it was delivered.",
      "MarkDelivered",
      DeliverRequestSchema,
      async (body, { seal }) => ({
        case: "markDelivered",
        value: create(MarkDeliveredSchema, {
          milestoneId: body.milestoneId,
          ...optional("note", await seal(body.note)),
        }),
      }),
    ),
    audience: "its seller",
  },
  {
    ...route(
      "release",
      "Pay the seller, all that is held or a part.",
      "ReleaseFunds",
      ReleaseRequestSchema,
      async ({ milestoneId, amount }) => ({
        case: "releaseFunds",
        value: create(ReleaseFundsSchema, { milestoneId, ...amountOf(amount) }),
      }),
    ),
    audience: "its buyer, or role admin with a second operator",
    twoOperators: "operator",
  },
  {
    ...route(
      "refund",
      "Pay the buyer back, all that is held or a part.",
      "RefundEscrow",
      RefundRequestSchema,
      async (body, { seal }) => ({
        case: "refundEscrow",
        value: create(RefundEscrowSchema, {
          milestoneId: body.milestoneId,
          ...amountOf(body.amount),
          ...optional("reason", await seal(body.reason)),
        }),
      }),
    ),
    audience: "its seller, or role admin with a second operator",
    twoOperators: "operator",
  },
  route(
    "cancel",
    "Call the deal off; after it was paid both have to want it.",
    "CancelEscrow",
    CancelRequestSchema,
    async ({ reason }, { seal }) => ({
      case: "cancelEscrow",
      value: create(CancelEscrowSchema, optional("reason", await seal(reason))),
    }),
  ),
  route(
    "dispute",
    "Lock the money until the dispute is decided.",
    "RaiseDispute",
    DisputeRequestSchema,
    async (body, { seal }) => ({
      case: "raiseDispute",
      value: create(RaiseDisputeSchema, {
        milestoneId: body.milestoneId,
        ...optional("reason", await seal(body.reason)),
      }),
    }),
  ),
  {
    ...route(
      "withdraw-dispute",
      "Take the dispute back.",
      "WithdrawDispute",
      WithdrawDisputeRequestSchema,
      async ({ milestoneId }) => ({
        case: "withdrawDispute",
        value: create(WithdrawDisputeSchema, { milestoneId }),
      }),
    ),
    audience: "the party that raised it",
  },
  {
    ...route(
      "resolve",
      "Decide a dispute: how much goes to either side.",
      "ResolveDispute",
      ResolveRequestSchema,
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
    role: "admin",
  },
  {
    ...route(
      "evidence",
      "Add a text or a file's hash to what speaks for you.",
      "AddEvidence",
      EvidenceRequestSchema,
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
    audience: "its buyer and seller, or role admin",
  },
  route(
    "amend",
    "Propose other terms, or accept the deal's `proposedTerms` by their hash.",
    "AmendTerms",
    AmendRequestSchema,
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
    "settlement-offers",
    "Offer a split that would end the dispute.",
    "OfferSettlement",
    SettlementOfferRequestSchema,
    async ({ milestoneId, buyer, seller }) => ({
      case: "offerSettlement",
      value: create(OfferSettlementSchema, {
        milestoneId,
        buyer: BigInt(buyer),
        seller: BigInt(seller),
      }),
    }),
  ),
  {
    ...route(
      "settlement-offers/:offerId/accept",
      "Accept an offered split.",
      "AcceptSettlement",
      AcceptOfferRequestSchema,
      async (_body, { param }) => ({
        case: "acceptSettlement",
        value: create(AcceptSettlementSchema, { offerId: param("offerId") }),
      }),
    ),
    audience: "the party that did not offer it",
  },
  {
    ...route(
      "unblock",
      "Lift a block of sanctions; a second operator approves it.",
      "UnblockEscrow",
      UnblockRequestSchema,
      async ({ reason }, { seal, blocks }) => ({
        case: "unblockEscrow",
        value: create(UnblockEscrowSchema, {
          references: [...(await blocks())],
          ...optional("reason", await seal(reason)),
        }),
      }),
    ),
    role: "admin",
    twoOperators: "always",
  },
];

/** Ties a body's schema to what is made of it. */
function route<M extends Message>(
  path: string,
  summary: string,
  commandType: string,
  schema: GenMessage<M>,
  build: (body: M, context: ReadContext) => Promise<CommandBody>,
): CommandRoute {
  return {
    path,
    summary,
    commandType,
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
