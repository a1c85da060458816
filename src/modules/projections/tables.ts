/**
 * Names of the read models in one schema. The live tables stand in `projections`; a rebuild fills
 * the same tables in another schema by the same code, and then swaps.
 */
import { SqlName } from "#platform/database/database";

export const liveSchema = "projections";

const tableNames = [
  "escrow_view",
  "command_outcome",
  "timeline",
  "payments_progress",
  "party_balance",
] as const;

export type ReadModel = (typeof tableNames)[number];
export type ReadModels = Readonly<Record<ReadModel, SqlName>>;

/** Every read model, in an order in which they can be locked. */
export const readModels: readonly ReadModel[] = tableNames;

export function readModelsIn(schema: string): ReadModels {
  return {
    escrow_view: new SqlName(schema, "escrow_view"),
    command_outcome: new SqlName(schema, "command_outcome"),
    timeline: new SqlName(schema, "timeline"),
    payments_progress: new SqlName(schema, "payments_progress"),
    party_balance: new SqlName(schema, "party_balance"),
  };
}
