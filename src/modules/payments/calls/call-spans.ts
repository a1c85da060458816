/**
 * The spans of what is asked of providers. They stand under the context stored with the operation,
 * however long ago that was, and what comes of the answer stands under them.
 */
import { passingTracer, type Span } from "#platform/telemetry/tracing";
import type { Outcome, PaymentProvider } from "../provider.ts";
import type { Answered } from "../recording/earlier-attempts.ts";
import type { ProviderObjectRow } from "../schema.ts";
import type { PaymentWorkerDeps } from "../worker-deps.ts";
import { askProvider } from "./ask-provider.ts";
import type { Claim } from "./claim-operations.ts";

export async function askTraced(
  provider: PaymentProvider,
  claim: Claim,
  deps: PaymentWorkerDeps,
): Promise<Answered> {
  const { tracer = passingTracer } = deps;
  const { row, way } = claim;
  const span = tracer.start(`${row.provider} ${way} ${row.kind}`, {
    kind: "client",
    parent: row.traceparent,
    attributes: {
      "app.provider": row.provider,
      "app.operation_kind": row.kind,
      "app.operation_id": row.operation_id,
      "app.attempt": row.attempt,
      "app.escrow_id": row.escrow_id,
      "app.correlation_id": row.correlation_id,
    },
  });
  const answer = await askProvider(provider, claim, deps);
  ended(span, answer.outcome.kind);
  return { claim, answer, traceparent: span.traceparent };
}

/** An object as a claim read it: its row, and the context its operation was opened under. */
export interface DueObject extends ProviderObjectRow {
  readonly opened_under: string | null;
}

/** Reads an object; under its operation where it has one, else under the webhook that named it. */
export async function readTraced<T>(
  row: DueObject,
  { tracer = passingTracer }: Pick<PaymentWorkerDeps, "tracer">,
  read: () => Promise<Outcome<T>>,
): Promise<{ readonly outcome: Outcome<T>; readonly traceparent: string | undefined }> {
  const { provider, kind, opened_under: opened, traceparent: told } = row;
  const span = tracer.start(`${provider} read ${kind}`, {
    kind: "client",
    parent: opened || told,
    links: opened ? [told] : [],
    attributes: {
      "app.provider": provider,
      "app.object_id": row.object_id,
      ...(row.escrow_id !== null && { "app.escrow_id": row.escrow_id }),
    },
  });
  try {
    const outcome = await read();
    ended(span, outcome.kind);
    return { outcome, traceparent: span.traceparent };
  } catch (error) {
    span.end(error);
    throw error;
  }
}

function ended(span: Span, outcome: Outcome<unknown>["kind"]): void {
  span.set({ "app.outcome": outcome });
  span.end(outcome === "unknown" ? new UnknownOutcome() : undefined);
}

/** Names the span's error; never thrown. */
class UnknownOutcome extends Error {
  override readonly name = "UnknownOutcome";
}
