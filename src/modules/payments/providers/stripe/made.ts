/**
 * Which call of ours made an object: metadata says its operation and attempt. Lists are read newest
 * first, and to their end where the attempt's own object is not on them.
 */
import type Stripe from "stripe";
import type { Lookup } from "../../provider.ts";
import { ofAttempt } from "../attempts.ts";
import type { Ask } from "./client.ts";

interface Listed {
  readonly id: string;
  readonly metadata: Stripe.Metadata | null;
  readonly status?: string | null;
}

interface PageParams {
  readonly limit: number;
  readonly starting_after?: string;
}

const pageSize = 100;

/** Objects from before attempts were named have no key. */
export function madeBy(metadata: Stripe.Metadata | null): {
  readonly operationId: string;
  readonly attemptKey: string;
} {
  return {
    operationId: metadata?.operationId ?? "",
    attemptKey: metadata?.attemptKey ?? "",
  };
}

export async function findIn<T extends Listed>(
  { key, request: { operationId } }: Lookup,
  ask: Ask,
  list: (
    page: PageParams,
    timeout: { readonly timeout: number },
  ) => Promise<{ readonly data: readonly T[]; readonly has_more: boolean }>,
): Promise<T | undefined> {
  const ours: T[] = [];
  let page: PageParams = { limit: pageSize };
  for (;;) {
    const asked = page;
    const { data, has_more: more } = await ask(async (timeout) => list(asked, timeout));
    ours.push(...data.filter(({ metadata }) => madeBy(metadata).operationId === operationId));
    const own = ours.find(({ metadata }) => madeBy(metadata).attemptKey === key);
    const last = data.at(-1);
    if (own !== undefined || !more || last === undefined) return own ?? earlier(ours, key);
    page = { limit: pageSize, starting_after: last.id };
  }
}

function earlier<T extends Listed>(ours: readonly T[], key: string): T | undefined {
  return ofAttempt(ours, key, ({ metadata, status }) => {
    const { attemptKey } = madeBy(metadata);
    return { attemptKey, failed: status === "failed" || status === "canceled" };
  });
}
