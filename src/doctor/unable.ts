/** What the doctor says where a topic could not be written or read: a right that lacks, or something else. */
import { UnpackError } from "#platform/messaging/kafka/compression";
import { causedBy, protocolError } from "#platform/messaging/kafka/errors";
import { type Finding, ill, textOf } from "./finding.ts";

export function unable(what: string, error: unknown): Finding {
  if (protocolError(error)?.endsWith("AUTHORIZATION_FAILED") === true) {
    const remedy = "grant what `app topics --format acls` prints for this role";
    return ill("rights", `may not ${what}: ${textOf(error)}`, remedy);
  }
  const remedy = causedBy(error, UnpackError)
    ? "docs/operations.md (A batch that cannot be unpacked) says what can be done"
    : "it is no right that lacks: look at the brokers' logs, and ask again";
  return ill("rights", `cannot ${what}: ${textOf(error)}`, remedy);
}
