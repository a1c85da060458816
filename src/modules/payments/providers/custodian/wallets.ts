/**
 * Wallets parties call their own: an address is taken only with a message signed by its key
 * (EIP-191), which names the party, the chain and the use, so that it proves nothing else.
 */
import { verifyMessage } from "viem/utils";
import { z } from "zod";
import type { PaymentProvider, ProviderAccount } from "../../provider.ts";
import { checksummed } from "./assets.ts";
import { type CustodianClient, mapped, refusedHere } from "./client.ts";
import { payoutAddress } from "./shapes.ts";

export interface WalletClaim {
  readonly partyId: string;
  readonly chainId: string;
  readonly address: string;
  readonly use: "payouts" | "refunds";
}

/** The text a wallet signs; the address checksummed, lines ended by \n, none after the last. */
export function walletMessage({ partyId, chainId, address, use }: WalletClaim): string {
  return [
    "I control this wallet.",
    `Party: ${partyId}`,
    `Chain: ${chainId}`,
    `Address: ${address}`,
    `Use: ${use}`,
  ].join("\n");
}

const hex = z.templateLiteral(["0x", z.string().regex(/^[0-9a-fA-F]+$/)]);

/** The checksummed address, when the signature is its key's over exactly this claim. */
export async function provenAddress(
  claim: WalletClaim,
  signature: string,
): Promise<string | undefined> {
  const address = checksummed(claim.address);
  const signed = hex.safeParse(signature);
  if (address === undefined || !signed.success) return undefined;
  const message = walletMessage({ ...claim, address });
  const own = hex.parse(address);
  const valid = await verifyMessage({ address: own, message, signature: signed.data }).catch(
    () => false,
  );
  return valid ? address : undefined;
}

export interface WalletOptions {
  readonly client: CustodianClient;
  readonly chainId: string;
}

export function createWallets({
  client,
  chainId,
}: WalletOptions): Pick<PaymentProvider, "createAccount" | "getAccount"> {
  return {
    createAccount: async (request) => {
      const { partyId, address, signature } = request;
      if (request.chainId !== chainId) {
        return refusedHere("PROVIDER_REFUSED", `chainId must be ${chainId}`);
      }
      const proven = await provenAddress({ partyId, chainId, address, use: "payouts" }, signature);
      if (proven === undefined) {
        return refusedHere("PROVIDER_REFUSED", "the signature is not this address's");
      }
      const body = { address: proven, party: partyId, chainId };
      const key = `payout-address:${partyId}:${proven}`;
      return mapped(await client.post("/v1/addresses", body, key, payoutAddress), accountOf);
    },
    getAccount: async (id) =>
      mapped(await client.get(`/v1/addresses/${encodeURIComponent(id)}`, payoutAddress), accountOf),
  };
}

const statuses = { approved: "READY", pending: "PENDING", rejected: "REJECTED" } as const;

function accountOf({ address, party, status }: z.output<typeof payoutAddress>): ProviderAccount {
  return {
    kind: "account",
    objectId: checksummed(address) ?? address,
    partyId: party,
    status: statuses[status],
    requirementsDue: status === "pending" ? ["address_approval"] : [],
    onboardingUrl: undefined,
  };
}
