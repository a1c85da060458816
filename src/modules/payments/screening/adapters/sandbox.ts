/**
 * The sandbox's screening: magic party ids say what it finds. `…_sanctioned` is on a list, `…_risky`
 * scores 75, `…_screendown` never gets an answer; everybody else is clear.
 */
import { has } from "../../providers/sandbox/magic.ts";
import type { WalletScreening } from "../screening.ts";

export const sandboxScreening: WalletScreening = {
  timeoutMs: 1_000,
  screen: async ({ partyId }) => {
    if (has(partyId, "screendown")) return { kind: "unavailable" };
    const sanctioned = has(partyId, "sanctioned");
    const score = has(partyId, "risky") ? 75 : 0;
    return { kind: "answered", sanctioned, score, source: "sandbox", listVersion: "sandbox-1" };
  },
};
