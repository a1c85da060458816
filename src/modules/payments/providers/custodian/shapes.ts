/** What the custodian shows, checked: see docs/custodian-api.md. Unknown members are let through. */
import { z } from "zod";

const units = z.string().regex(/^[0-9]{1,78}$/);
const signedUnits = z.string().regex(/^-?[0-9]{1,78}$/);
const instant = z.iso.datetime();
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);

export const deposit = z.object({
  id: z.string().min(1).max(200),
  from: z.string().max(200),
  token: address,
  decimals: z.number().int().min(0).max(36),
  amount: units,
  fee: units,
  confirmations: z.number().int().min(0),
  status: z.enum(["seen", "final", "orphaned"]),
  wasFinal: z.boolean(),
});
export type CustodianDeposit = z.output<typeof deposit>;

export const depositAddress = z.object({
  id: z.string().min(1).max(200),
  reference: z.string(),
  group: z.string().optional(),
  address,
  chainId: z.string(),
  token: address,
  amount: units,
  confirmations: z.number().int().min(1),
  status: z.enum(["open", "closed"]),
  deposits: z.array(deposit),
});
export type DepositAddress = z.output<typeof depositAddress>;

export const foundDeposit = deposit.extend({ depositAddress: z.string() });

/** The deposit under the reversion's id, and which it was. */
export const reversion = foundDeposit.extend({ deposit: z.string().default("") });
export type Reversion = z.output<typeof reversion>;

export const withdrawal = z.object({
  id: z.string().min(1).max(200),
  reference: z.string(),
  status: z.enum(["pending", "final", "failed"]),
  code: z.string(),
  networkFee: units.nullable(),
  group: z.string().optional(),
  source: z.string().optional(),
  to: z.string().optional(),
  token: address.optional(),
  amount: units.optional(),
});
export type Withdrawal = z.output<typeof withdrawal>;

export const payoutAddress = z.object({
  address,
  party: z.string(),
  status: z.enum(["approved", "pending", "rejected"]),
});

export const event = z.object({
  id: z.string().min(1).max(255),
  type: z.string().min(1).max(128),
  objectId: z.string().min(1).max(255),
  createdAt: instant,
  live: z.boolean(),
});

export const movement = z.object({
  id: z.string().min(1),
  objectId: z.string(),
  category: z.string(),
  amount: signedUnits,
  fee: units,
  token: address,
  decimals: z.number().int().min(0).max(36).default(6),
  at: instant,
});

export function listOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}
