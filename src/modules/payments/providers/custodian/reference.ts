/**
 * Our reference on what the custodian keeps. The first attempt's is the operation alone, which an
 * older program sends and looks for too: two that run beside each other find each other's calls and
 * repeat them with the same bytes. A later attempt's is its key, `operation.attempt`.
 */
import { keyOf } from "../../domain/payment.ts";

export function referenceOf(key: string): string {
  const [operationId = ""] = key.split(".");
  return key === keyOf({ operationId, attempt: 1 }) ? operationId : key;
}

export function madeBy(reference: string): {
  readonly operationId: string;
  readonly attemptKey: string;
} {
  const [operationId = ""] = reference.split(".");
  const first = keyOf({ operationId, attempt: 1 });
  return { operationId, attemptKey: reference === operationId ? first : reference };
}
