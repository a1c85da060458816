/**
 * Deposit addresses: one for each payment, never used again. What arrived counts when the custodian
 * calls it final; before that it is only shown, and a reorganisation may take it away again.
 */
import type {
  ForeignObject,
  Outcome,
  PaymentProvider,
  ProviderDeposit,
  ProviderDispute,
  ProviderPayment,
  Said,
  UndoneDeposit,
} from "../../provider.ts";
import { ofAttempt } from "../attempts.ts";
import { type Asset, bookable, checksummed } from "./assets.ts";
import { type CustodianClient, mapped, refusedHere } from "./client.ts";
import { madeBy, referenceOf } from "./reference.ts";
import {
  type CustodianDeposit,
  type DepositAddress,
  depositAddress,
  type Reversion,
  reversion,
} from "./shapes.ts";

export interface DepositOptions {
  readonly client: CustodianClient;
  readonly asset: Asset;
  /** How many make a deposit final. */
  readonly confirmations: number;
}

type Deposits = Pick<
  PaymentProvider,
  "createPayment" | "cancelPayment" | "getPayment" | "findPayment" | "getForeign"
>;

export function createDeposits({ client, asset, confirmations }: DepositOptions): Deposits {
  const paymentOf = (address: DepositAddress) => viewOf(address, asset);
  const at = (id: string) => `/v1/deposit-addresses/${encodeURIComponent(id)}`;
  return {
    createPayment: async ({ request, key }) => {
      const { escrowId: group, amount, currency } = request;
      if (currency !== "USDC") return refusedHere("PROVIDER_REFUSED", `no ${currency} here`);
      const { chainId, token } = asset;
      const body = { reference: referenceOf(key), group, chainId, token, amount, confirmations };
      return mapped(
        await client.post("/v1/deposit-addresses", body, key, depositAddress),
        paymentOf,
      );
    },
    cancelPayment: async ({ request, key }) => {
      const path = `${at(request.paymentRef)}/close`;
      const body = { reference: referenceOf(key) };
      return mapped(await client.post(path, body, key, depositAddress), paymentOf);
    },
    getPayment: async (id) => mapped(await client.get(at(id), depositAddress), paymentOf),
    findPayment: async ({ key, request: { escrowId, operationId } }) => {
      const path = `/v1/deposit-addresses?group=${encodeURIComponent(escrowId)}`;
      return mapped(await client.list(path, depositAddress), (items) => {
        const ours = items.filter(({ reference }) => madeBy(reference).operationId === operationId);
        const found = ofAttempt(ours.toReversed(), key, ({ reference }) => {
          return { attemptKey: madeBy(reference).attemptKey, failed: false };
        });
        return found && paymentOf(found);
      });
    },
    getForeign: async (id) => {
      const path = `/v1/reversions/${encodeURIComponent(id)}`;
      return foreignOf(await client.get(path, reversion), asset);
    },
  };
}

function viewOf(address: DepositAddress, asset: Asset): ProviderPayment {
  const deposits = address.deposits.flatMap((deposit) => confirmed(deposit, asset));
  const ours = address.deposits.filter(({ token }) => checksummed(token) === asset.token);
  const received = deposits
    .filter(({ currency }) => currency === "USDC")
    .reduce((sum, { amount }) => sum + amount, 0n);
  const complete = received >= BigInt(address.amount);
  const waiting = ours.filter(({ status }) => status === "seen");
  const orphaned = ours.some(({ status, wasFinal }) => status === "orphaned" && !wasFinal);
  const idle = waiting.length === 0 && !complete;
  return {
    kind: "payment",
    objectId: address.id,
    ...madeBy(address.reference),
    said: saidBy(address, asset),
    status: statusOf(address, { complete, processing: waiting.length > 0 }),
    deposits,
    fee: complete ? ours.reduce((sum, { fee }) => sum + BigInt(fee), 0n) : undefined,
    lastError: idle && orphaned && received === 0n ? "DEPOSIT_ORPHANED" : undefined,
    instructions: {
      deposit: {
        address: checksummed(address.address) ?? address.address,
        chainId: address.chainId,
        asset: `USDC ${asset.token}`,
        confirmations: leastConfirmed(waiting, address, complete).toString(),
        required: address.confirmations.toString(),
      },
    },
  };
}

/** An address on another chain, or for another token, is for another currency. */
function saidBy({ amount, chainId, token, group }: DepositAddress, asset: Asset): Said {
  const right = chainId === asset.chainId && checksummed(token) === asset.token;
  const currency = right ? "USDC" : `${token} on ${chainId}`;
  return { amount: BigInt(amount), currency, ...(group !== undefined && { group }) };
}

function statusOf(
  { status }: DepositAddress,
  { complete, processing }: { readonly complete: boolean; readonly processing: boolean },
): ProviderPayment["status"] {
  if (status === "closed") return "cancelled";
  if (complete) return "succeeded";
  return processing ? "processing" : "requires_payment";
}

/** Of what is still on its way; 0 when nothing is. */
function leastConfirmed(
  waiting: readonly CustodianDeposit[],
  { confirmations }: DepositAddress,
  complete: boolean,
): number {
  if (waiting.length === 0) return complete ? confirmations : 0;
  return Math.min(...waiting.map((deposit) => deposit.confirmations));
}

/** Also one that was undone after it was final: it was booked, and what took it is a fact of its own. */
function confirmed(deposit: CustodianDeposit, asset: Asset): ProviderDeposit[] {
  if (!deposit.wasFinal) return [];
  const booked = bookable(asset, deposit);
  if (booked === undefined) return [];
  return [{ depositId: deposit.id, source: checksummed(deposit.from) ?? "", ...booked }];
}

/** A reversion, which shows its deposit under its own id. */
function foreignOf(outcome: Outcome<Reversion>, asset: Asset): Outcome<ForeignObject | undefined> {
  if (outcome.kind === "refused" && outcome.code === "NOT_FOUND") {
    return { kind: "succeeded", value: undefined };
  }
  return mapped(outcome, (gone) => {
    const booked = bookable(asset, gone);
    const lost = gone.status === "orphaned" && gone.wasFinal;
    if (!lost || booked === undefined) return undefined;
    return booked.currency === "USDC" ? lostAt(gone, booked) : undone(gone, booked);
  });
}

type Booked = Pick<ProviderDeposit, "amount" | "currency">;

/** As if a bank had won at once. */
function lostAt(gone: Reversion, { amount, currency }: Booked): ProviderDispute {
  const { id, depositAddress: paymentRef, deposit: depositId } = gone;
  return {
    kind: "dispute",
    objectId: id,
    paymentRef,
    status: "lost",
    amount,
    currency,
    reason: "chain_reorganised",
    movements: [{ movementId: `${id}:lost`, direction: "taken", amount, fee: 0n }],
    evidenceDueBy: undefined,
    ...(depositId !== "" && { depositId }),
  };
}

/** Another asset was never the payment's. */
function undone(
  { id, depositAddress: paymentRef, deposit: depositId }: Reversion,
  booked: Booked,
): UndoneDeposit | undefined {
  if (depositId === "") return undefined;
  return { kind: "deposit_undone", objectId: id, paymentRef, depositId, ...booked };
}
