/**
 * What commands would post and ask of a provider, for dry runs of the escrow module. Pure: it reads
 * and writes nothing, and judges nothing.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Money } from "#gen/escrow/v1/types_pb";
import type { Command } from "#gen/payments/v1/commands_pb";
import { accountName } from "./ledger/accounts.ts";
import { type LedgerTransaction, refundAccepted, releaseAccepted } from "./ledger/post.ts";

export interface PaymentsPreview {
  readonly postings: readonly JsonValue[];
  readonly providerCalls: readonly JsonValue[];
}

export function preview(commands: readonly Pick<Command, "escrowId" | "body">[]): PaymentsPreview {
  const previews = commands.map(previewOne);
  return {
    postings: previews.flatMap(({ postings }) => postings),
    providerCalls: previews.flatMap(({ providerCalls }) => providerCalls),
  };
}

function previewOne({ escrowId, body }: Pick<Command, "escrowId" | "body">): PaymentsPreview {
  switch (body.case) {
    case "createPaymentIntent": {
      const { amount, buyerFee } = body.value;
      return { postings: [], providerCalls: [call("CREATE_PAYMENT", amount, buyerFee)] };
    }
    case "cancelPayment":
      return { postings: [], providerCalls: [{ call: "CANCEL_PAYMENT" }] };
    case "transferToSeller": {
      const { amount, fee, sellerId } = body.value;
      const net = (amount?.amount ?? 0n) - fee;
      const accepted = releaseAccepted(sellerId, { fee, netted: 0n, net });
      return {
        postings: postingsOf(escrowId, accepted, amount),
        providerCalls: [call("TRANSFER", amount, -fee)],
      };
    }
    case "initiateRefund": {
      const { amount, feeReturned } = body.value;
      const accepted = refundAccepted({ amount: amount?.amount ?? 0n, feeReturned });
      return {
        postings: postingsOf(escrowId, accepted, amount),
        providerCalls: [call("REFUND", amount, feeReturned)],
      };
    }
    default:
      return { postings: [], providerCalls: [] };
  }
}

function postingsOf(
  escrowId: string,
  { reason, postings }: LedgerTransaction,
  money: Money | undefined,
): JsonValue[] {
  return postings.map(({ debit, credit, amount }) => ({
    debit: accountName(debit, escrowId),
    credit: accountName(credit, escrowId),
    amount: amount.toString(),
    currency: money?.currency ?? "",
    reason,
  }));
}

function call(name: string, money: Money | undefined, on: bigint): JsonValue {
  const amount = ((money?.amount ?? 0n) + on).toString();
  return { call: name, amount, currency: money?.currency ?? "" };
}
