/**
 * The port to wallet screening: is this party's wallet sanctioned, and how risky is it? An answer
 * that does not come is no answer: whoever asks holds the money and asks again.
 */

export interface ScreeningQuestion {
  /** The same for every repetition. */
  readonly reference: string;
  readonly purpose: "DEPOSIT" | "PAYOUT" | "REFUND_ADDRESS";
  readonly partyId: string;
  /** Checksummed; "" where the provider has none. */
  readonly address: string;
  readonly chainId: string;
}

export interface ScreeningVerdict {
  readonly kind: "answered";
  readonly sanctioned: boolean;
  /** 0 to 100; from 50 on a person decides. */
  readonly score: number;
  /** Who says so, by which version of which list. */
  readonly source: string;
  readonly listVersion: string;
}

export type ScreeningOutcome = ScreeningVerdict | { readonly kind: "unavailable" };

export interface WalletScreening {
  /** Calls settle within this time. */
  readonly timeoutMs: number;
  /** Never rejects: what breaks on the way is "unavailable". */
  screen(question: ScreeningQuestion): Promise<ScreeningOutcome>;
}
