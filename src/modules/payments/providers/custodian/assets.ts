/**
 * Which token on which chain is USDC, and what other tokens are called in the books. Exact contract
 * and chain: a token of the same name, the bridged one included, is another asset.
 */
import { getAddress, isAddress } from "viem/utils";

export interface Asset {
  readonly chainId: string;
  /** Checksummed contract of native USDC. */
  readonly token: string;
  /** The bridged token of nearly the same name; "" where there is none. */
  readonly bridged: string;
}

const assets: ReadonlyMap<string, Asset> = new Map(
  [
    {
      chainId: "8453",
      token: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
      bridged: "0xd9aAEc86B65D86f6A7B5B1b0c42FFA531710b6CA",
    },
    { chainId: "84532", token: "0x036CbD53842c5426634e7929541eC2318f3dCF7e", bridged: "" },
  ].map((asset) => [asset.chainId, asset]),
);

/** Base, and its test network. */
export function assetOn(chainId: string): Asset | undefined {
  return assets.get(chainId);
}

/** Undefined for what is no address, or one whose mixed case is no checksum. */
export function checksummed(address: string): string | undefined {
  return isAddress(address) ? getAddress(address) : undefined;
}

const decimalsKept = 6n;
/** More than the books take: a token somebody made up. */
const mostUnits = 1_000_000_000_000_000n;

/**
 * What arrived as the books have it: USDC to the unit; anything else in millionths of a token, with
 * what is finer left out. Undefined: nothing to book, or more of it than there can honestly be.
 */
export function bookable(
  asset: Asset,
  arrived: { readonly token: string; readonly decimals: number; readonly amount: string },
): { readonly currency: string; readonly amount: bigint } | undefined {
  const raw = BigInt(arrived.amount);
  if (checksummed(arrived.token) === asset.token) return inRange("USDC", raw);
  const shift = decimalsKept - BigInt(arrived.decimals);
  const amount = shift >= 0n ? raw * 10n ** shift : raw / 10n ** -shift;
  return inRange(otherThan(asset, arrived.token), amount);
}

/** What a token that is not USDC is called in the books. */
export function otherThan({ bridged }: Asset, token: string): string {
  const contract = checksummed(token);
  return contract !== undefined && contract === bridged ? "USDBC" : "OTHER";
}

function inRange(currency: string, amount: bigint) {
  return amount > 0n && amount <= mostUnits ? { currency, amount } : undefined;
}
