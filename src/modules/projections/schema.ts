/** The escrow view's columns for typed queries; the migration is the truth of its shape. */
import { bigint, customType, pgSchema, text, timestamp } from "drizzle-orm/pg-core";
import { liveSchema } from "./tables.ts";

const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
});

export const escrowView = pgSchema(liveSchema).table("escrow_view", {
  escrowId: text("escrow_id").primaryKey(),
  version: bigint({ mode: "bigint" }).notNull(),
  state: text().notNull(),
  buyerId: text("buyer_id").notNull(),
  sellerId: text("seller_id").notNull(),
  serviceId: text("service_id").notNull(),
  currency: text().notNull(),
  amount: bigint({ mode: "bigint" }).notNull(),
  reference: text().notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
  record: bytes().notNull(),
});
