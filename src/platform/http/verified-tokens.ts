/**
 * Tokens whose signature held, so that a client's next request need not prove it again. For tokens
 * signed with our own secret only: an issuer's key may be withdrawn at any time. Invariant: none is
 * believed past its own expiry.
 */
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import type { Principal } from "../module.ts";

export interface VerifiedTokens {
  find(token: string): Principal | undefined;
  /** `exp`: seconds since the epoch, as the token says. */
  remember(token: string, principal: Principal, exp: number | undefined): void;
}

interface Known {
  readonly principal: Principal;
  readonly untilMs: number;
}

const capacity = 10_000;

export function createVerifiedTokens({
  clock,
}: {
  readonly clock: Pick<Clock, "wall">;
}): VerifiedTokens {
  const known = new LRUCache<string, Known>({ max: capacity });
  return {
    find(token) {
      const found = known.get(token);
      if (found === undefined || clock.wall().getTime() < found.untilMs) return found?.principal;
      known.delete(token);
      return undefined;
    },
    remember(token, principal, exp) {
      if (exp !== undefined) known.set(token, { principal, untilMs: exp * 1_000 });
    },
  };
}
