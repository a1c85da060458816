/**
 * Our minor units and Stripe's: the only place where an amount is a JavaScript number, because the
 * SDK has no other. Both ways are exact or refuse: nothing is rounded, nothing above 2^53 passes.
 */
import { TerminalError } from "#platform/errors";
import { RefusedHere } from "./classify.ts";

/** Currencies without decimals that Stripe takes with two, which must be zeros. */
const hundredfold: ReadonlySet<string> = new Set(["ISK", "UGX"]);
/** Three decimals, of which the last must be a zero. */
const tenfold: ReadonlySet<string> = new Set(["BHD", "JOD", "KWD", "OMR", "TND"]);
/** Eight digits is the most Stripe charges. */
const most = 99_999_999n;
/** The least Stripe charges, in its own units; elsewhere Stripe itself is asked. */
const least: ReadonlyMap<string, bigint> = new Map([
  ["USD", 50n],
  ["EUR", 50n],
  ["GBP", 30n],
  ["JPY", 50n],
]);

/** Throws RefusedHere when Stripe cannot take the amount: then nothing was sent. */
export function toUnits(text: string, currency: string): number {
  const amount = BigInt(text);
  const units = amount * scaleOf(currency);
  if (amount <= 0n || units > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RefusedHere(`${text} ${currency} is no amount for Stripe`);
  }
  if (tenfold.has(currency) && units % 10n !== 0n) {
    throw new RefusedHere(`${currency} moves in steps of 10, ${text} is none`);
  }
  return Number(units);
}

/** The same for what a buyer is asked to pay, which has bounds of its own. */
export function toChargeUnits(text: string, currency: string): number {
  const units = toUnits(text, currency);
  const charged = BigInt(units);
  if (charged > most || charged < (least.get(currency) ?? 1n)) {
    throw new RefusedHere(`Stripe does not charge ${text} ${currency}`);
  }
  return units;
}

/** Throws TerminalError on what cannot be an exact amount: it must not reach the books. */
export function fromUnits(units: number, currency: string): bigint {
  if (!Number.isSafeInteger(units)) throw new TerminalError(`${units} is no exact amount`);
  const scale = scaleOf(currency);
  const amount = BigInt(units);
  if (amount % scale !== 0n) throw new TerminalError(`${units} has a fraction of a ${currency}`);
  return amount / scale;
}

/** USD here is usd there. */
export function currencyOf(code: string): string {
  return code.toUpperCase();
}

function scaleOf(currency: string): bigint {
  return hundredfold.has(currency) ? 100n : 1n;
}
