/**
 * Names that make the simulated provider misbehave, so that every failure can be seen from outside
 * without a special build: the last word of a party's id, after `_`, `-` or `.`.
 *
 * Sellers: unready (no payout possible until made ready), refused (transfers are refused), timeout
 * (executes, then the answer is lost), broken (an error is saved under the key and replayed), busy
 * (429 at first). Buyers: refundfails, refundreturns (succeeds, then comes back). Either: duplicate
 * (each webhook three times), reordered (the first webhook of an object arrives after the second).
 * To the sandbox's screening: sanctioned, risky (an operator decides), screendown (no answer).
 */
export type Magic =
  | "unready"
  | "refused"
  | "timeout"
  | "broken"
  | "busy"
  | "refundfails"
  | "refundreturns"
  | "duplicate"
  | "reordered"
  | "sanctioned"
  | "risky"
  | "screendown";

export function has(partyId: string, magic: Magic): boolean {
  return partyId.split(/[_.-]/).at(-1) === magic;
}
