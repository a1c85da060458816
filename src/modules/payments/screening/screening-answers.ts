/** What screenings answered: kept for ever, each with its time, source and list version. */
import type { Tx } from "#platform/database/database";
import type { ScreeningOutcome } from "./screening.ts";
import type { ScreeningRow } from "./screening-rows.ts";

/** `subjectId`: a review, or a refund address. */
export async function keepAnswer(
  tx: Tx,
  subjectId: string,
  outcome: ScreeningOutcome,
  now: Date,
): Promise<void> {
  const answered = outcome.kind === "answered" ? outcome : undefined;
  const hit = answered?.sanctioned === true ? "SANCTIONED" : "CLEAR";
  await tx.sql`
    INSERT INTO payments.screening_answer (subject_id, at, verdict, score, source, list_version)
    VALUES (${subjectId}, ${now}, ${answered === undefined ? "UNAVAILABLE" : hit},
      ${answered?.score ?? null}, ${answered?.source ?? ""}, ${answered?.listVersion ?? ""})`;
}

/** By which lists two operators found that the same wallet's hit was none, in the same escrow. */
export async function listVersionsLifted(
  tx: Tx,
  { escrow_no, party_id, address }: ScreeningRow,
): Promise<ReadonlySet<string>> {
  const rows = await tx.sql<{ list_version: string }>`
    SELECT DISTINCT a.list_version FROM payments.screening s
    JOIN payments.screening_answer a ON a.subject_id = s.review_id AND a.verdict = 'SANCTIONED'
    WHERE s.escrow_no = ${escrow_no} AND s.party_id = ${party_id} AND s.address = ${address}
      AND s.state = 'LIFTED'`;
  return new Set(rows.map(({ list_version }) => list_version));
}
