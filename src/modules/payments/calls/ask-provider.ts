/**
 * One call or look-up at a provider, outside any transaction. Never rejects: whatever breaks on the
 * way, it may have happened, and that is an answer like any other.
 */

import type { Answer } from "../domain/conclude.ts";
import { keyOf, type Operation } from "../domain/payment.ts";
import type {
  Outcome,
  PaymentLookup,
  PaymentProvider,
  ProviderCall,
  ProviderObject,
} from "../provider.ts";
import { aboutOperation, requestIn } from "../schema.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import type { Claim } from "./claim-operations.ts";

export async function askProvider(
  provider: PaymentProvider,
  claim: Claim,
  { clock, logger }: Pick<PaymentWorkerDeps, "clock" | "logger">,
): Promise<Answer> {
  const { row, way } = claim;
  const startedMs = clock.monotonicMs();
  const outcome = await ask(provider, claim).catch(
    (error: unknown) => ({ kind: "unknown", replayed: false, detail: String(error) }) as const,
  );
  if (outcome.kind === "unknown") {
    const { attempt } = row;
    const { detail } = outcome;
    logger.warn({ ...aboutOperation(row), attempt, way, detail }, "outcome unknown");
  }
  return { way, outcome, durationMs: clock.monotonicMs() - startedMs };
}

async function ask(
  provider: PaymentProvider,
  { row, operation, way }: Claim,
): Promise<Outcome<ProviderObject | undefined>> {
  const request = requestIn(row);
  const key = keyOf(operation);
  if (way === "lookup") return lookUp(provider, row, { key, request, since: row.created_at });
  return call(provider, row.kind, { key, bytes: row.params, request });
}

async function call(
  provider: PaymentProvider,
  kind: Operation["kind"],
  given: ProviderCall,
): Promise<Outcome<ProviderObject>> {
  switch (kind) {
    case "CREATE_PAYMENT":
      return provider.createPayment(given);
    case "CANCEL_PAYMENT":
      return provider.cancelPayment(given);
    case "TRANSFER":
    case "RETRANSFER":
      return provider.createTransfer(given);
    case "REFUND":
      return provider.createRefund(given);
    case "REVERSAL":
      return provider.createReversal(given);
    default:
      return kind satisfies never;
  }
}

async function lookUp(
  provider: PaymentProvider,
  { kind }: Claim["row"],
  lookup: PaymentLookup,
): Promise<Outcome<ProviderObject | undefined>> {
  switch (kind) {
    case "CREATE_PAYMENT":
      return provider.findPayment(lookup);
    case "CANCEL_PAYMENT":
      return provider.getPayment(lookup.request.paymentRef);
    case "TRANSFER":
    case "RETRANSFER":
      return provider.findTransfer(lookup);
    case "REFUND":
      return provider.findRefund(lookup);
    case "REVERSAL":
      return provider.findReversal(lookup);
    default:
      return kind satisfies never;
  }
}
