/**
 * What leaves: payouts to the seller's approved address, refunds to the buyer's own. Each draws on
 * the deposit address it names and on nothing else; what went out on chain never comes back.
 */
import type {
  Lookup,
  PaymentProvider,
  ProviderCall,
  ProviderRefund,
  ProviderTransfer,
  Said,
} from "../../provider.ts";
import { ofAttempt } from "../attempts.ts";
import { type Asset, checksummed, otherThan } from "./assets.ts";
import { type CustodianClient, mapped, refusedHere } from "./client.ts";
import { madeBy, referenceOf } from "./reference.ts";
import { foundDeposit, type Withdrawal, withdrawal } from "./shapes.ts";

export interface WithdrawalOptions {
  readonly client: CustodianClient;
  readonly asset: Asset;
}

type Withdrawals = Pick<
  PaymentProvider,
  | "createTransfer"
  | "createRefund"
  | "createReversal"
  | "getTransfer"
  | "getRefund"
  | "getReversal"
  | "findTransfer"
  | "findRefund"
  | "findReversal"
>;

export function createWithdrawals({ client, asset }: WithdrawalOptions): Withdrawals {
  async function send(
    kind: "payout" | "refund" | "return",
    { key, request }: ProviderCall,
    drawn: { readonly token: string; readonly amount: string; readonly deposit: string },
  ) {
    const { escrowId: group, paymentRef: source, target } = request;
    const body = { reference: referenceOf(key), kind, group, source, to: target, ...drawn };
    return client.post("/v1/withdrawals", body, key, withdrawal);
  }

  /** Another asset than USDC goes back whole, as it came: its own token, all of it. */
  async function sendBack(call: ProviderCall, depositId: string) {
    const path = `/v1/deposits/${encodeURIComponent(depositId)}`;
    const found = await client.get(path, foundDeposit);
    if (found.kind !== "succeeded") {
      // The read moved nothing, whatever became of it.
      return found.kind === "refused" ? found : ({ kind: "retry", afterMs: 1_000 } as const);
    }
    const { token, amount } = found.value;
    return send("return", call, { token, amount, deposit: depositId });
  }

  const get = (id: string) => client.get(`/v1/withdrawals/${encodeURIComponent(id)}`, withdrawal);
  const find = async ({ key, request: { escrowId, operationId } }: Lookup) => {
    const path = `/v1/withdrawals?group=${encodeURIComponent(escrowId)}`;
    const listed = await client.list(path, withdrawal);
    return mapped(listed, (items) => {
      const ours = items.filter(({ reference }) => madeBy(reference).operationId === operationId);
      return ofAttempt(ours.toReversed(), key, ({ reference, status }) => {
        return { attemptKey: madeBy(reference).attemptKey, failed: status === "failed" };
      });
    });
  };
  const transfer = (sent: Withdrawal) => transferOf(sent, asset);
  const refund = (sent: Withdrawal) => refundOf(sent, asset);
  return {
    createTransfer: async (call) => {
      const { target, amount } = call.request;
      if (checksummed(target) === undefined) {
        return refusedHere("SELLER_NOT_READY", "the seller has no payout address");
      }
      const drawn = { token: asset.token, amount, deposit: "" };
      return mapped(await send("payout", call, drawn), transfer);
    },
    createRefund: async (call) => {
      const { target, amount, currency, depositId = "" } = call.request;
      if (checksummed(target) === undefined) {
        return refusedHere("REFUND_ADDRESS_REQUIRED", "the buyer has no verified refund address");
      }
      const drawn = { token: asset.token, amount, deposit: "" };
      const sent =
        currency === "USDC" ? await send("refund", call, drawn) : await sendBack(call, depositId);
      return mapped(sent, refund);
    },
    createReversal: async () => refusedHere("NOT_POSSIBLE", "nothing comes back on chain"),
    getTransfer: async (id) => mapped(await get(id), transfer),
    getRefund: async (id) => mapped(await get(id), refund),
    getReversal: async () => refusedHere("NOT_FOUND", "no reversals here"),
    findTransfer: async (lookup) => mapped(await find(lookup), (found) => found && transfer(found)),
    findRefund: async (lookup) => mapped(await find(lookup), (found) => found && refund(found)),
    findReversal: async () => ({ kind: "succeeded", value: undefined }),
  };
}

const statuses = { pending: "pending", final: "succeeded", failed: "failed" } as const;

function transferOf(sent: Withdrawal, asset: Asset): ProviderTransfer {
  const { id, reference, status, networkFee } = sent;
  const fee = networkFee === null ? undefined : BigInt(networkFee);
  const common = {
    objectId: id,
    ...madeBy(reference),
    status: statuses[status],
    said: saidBy(sent, asset),
  };
  return { kind: "transfer", ...common, fee };
}

function refundOf(sent: Withdrawal, asset: Asset): ProviderRefund {
  const { id, reference, status, code, networkFee } = sent;
  const fee = networkFee === null ? undefined : BigInt(networkFee);
  const common = {
    objectId: id,
    ...madeBy(reference),
    status: statuses[status],
    said: saidBy(sent, asset),
  };
  return { kind: "refund", ...common, code, fee };
}

/** Another token goes back whole: its amount is the deposit's own. */
function saidBy({ to, token, amount, group, source }: Withdrawal, asset: Asset): Said {
  const usdc = token !== undefined && checksummed(token) === asset.token;
  return {
    ...(to !== undefined && { target: checksummed(to) ?? to }),
    ...(group !== undefined && { group }),
    ...(source !== undefined && { paymentRef: source }),
    ...(token !== undefined && { currency: usdc ? "USDC" : otherThan(asset, token) }),
    ...(usdc && amount !== undefined && { amount: BigInt(amount) }),
  };
}
