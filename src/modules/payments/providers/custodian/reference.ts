/** Our reference on what the custodian keeps: the key of the attempt, its operation before the dot. */

/** Without a dot: from before attempts had references of their own. */
export function madeBy(reference: string): {
  readonly operationId: string;
  readonly attemptKey: string;
} {
  const [operationId = ""] = reference.split(".");
  return { operationId, attemptKey: reference === operationId ? "" : reference };
}
