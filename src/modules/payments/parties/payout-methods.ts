/**
 * Payout methods as their rows are. A party has one at each provider, and one more of each service:
 * another account takes the place of the one before, and what it replaced is kept and told.
 */
import { z } from "zod";
import type { Queryable } from "#platform/database/database";
import { instant } from "#platform/http/openapi/answers";

export const methodAnswer = () =>
  z.object({
    payoutMethodId: z.string(),
    provider: z.string(),
    account: z
      .string()
      .describe("At the provider: a connected account's id, or a wallet's address."),
    status: z.string(),
    requirementsDue: z.array(z.string()),
    replaced: z
      .object({ account: z.string(), at: instant(), by: z.string() })
      .optional()
      .describe("The account whose place it took last, when, and who said so."),
    onboardingUrl: z.string().optional(),
    expiresAt: instant().optional(),
  });

export interface PayoutMethodRow {
  readonly payout_method_id: string;
  readonly provider: string;
  readonly status: string;
  readonly requirements_due: readonly string[];
  readonly account_id: string;
  /** Of the last replacement; null: there was none. */
  readonly former_account: string | null;
  readonly changed_by: string | null;
  readonly changed_at: Date | null;
}

export interface MethodsOf {
  readonly partyId: string;
  readonly serviceId: string;
  /** Those of other services, too. */
  readonly seesAll: boolean;
}

export async function payoutMethods(
  db: Queryable,
  { partyId, serviceId, seesAll }: MethodsOf,
): Promise<readonly PayoutMethodRow[]> {
  return db.sql<PayoutMethodRow>`
    SELECT m.payout_method_id, m.provider, m.status, m.requirements_due, m.account_id,
      c.former_account, c.changed_by, c.at AS changed_at
    FROM payments.payout_method m LEFT JOIN LATERAL (
      SELECT former_account, changed_by, at FROM payments.payout_change
      WHERE payout_method_id = m.payout_method_id AND former_account <> ''
      ORDER BY id DESC LIMIT 1) c ON true
    WHERE m.party_id = ${partyId} AND (${seesAll}::boolean OR m.service_id = ${serviceId})
    ORDER BY m.created_at, m.payout_method_id`;
}

export function methodView(row: PayoutMethodRow) {
  const { former_account: account, changed_by: by, changed_at: at } = row;
  const replaced = account !== null && by !== null && at !== null;
  return {
    payoutMethodId: row.payout_method_id,
    provider: row.provider,
    account: row.account_id,
    status: row.status,
    requirementsDue: row.requirements_due,
    ...(replaced && { replaced: { account, at: at.toISOString(), by } }),
  };
}
