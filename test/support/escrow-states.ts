/** One escrow in each state, reached by the commands and facts that lead there. */
import type { Escrow, EscrowStatus_State } from "#gen/escrow/v1/types_pb";
import * as s from "./escrow-steps.ts";
import { play } from "./given.ts";

export type StateName = Exclude<keyof typeof EscrowStatus_State, "UNSPECIFIED"> | "NONE";

const { buyer, seller, admin } = s;
const proposed = [s.createEscrow({ by: buyer })];
const awaiting = [...proposed, s.acceptTerms({ by: seller })];
const funded = [...awaiting, s.deposit(10_320n), s.paymentSucceeded()];
const releasing = [...funded, s.releaseFunds({ by: buyer })];
const refunding = [...funded, s.refundEscrow({ by: seller })];
const frozen = [...funded, s.chargebackOpened(10_000n, 320n)];
const disputed = [...funded, s.raiseDispute({ by: buyer })];

const histories: Readonly<Record<Exclude<StateName, "NONE">, readonly s.StepAt[]>> = {
  PROPOSED: proposed,
  AWAIT_FUNDS: awaiting,
  FUNDS_HELD: funded,
  DELIVERED: [...funded, s.markDelivered({ by: seller })],
  DISPUTED: disputed,
  RELEASING: releasing,
  RELEASE_BLOCKED: [...releasing, s.transferRejected()],
  RELEASED: [...releasing, s.transferSucceeded()],
  REFUNDING: refunding,
  REFUNDED: [...refunding, s.refundSucceeded()],
  CANCELLED: [...awaiting, s.cancelEscrow({ by: buyer })],
  FROZEN: frozen,
  CHARGED_BACK: [...frozen, s.chargebackLost()],
  BLOCKED: [...funded, s.fundsBlocked({ held: -10_000n, fees: -320n, blocked: 10_320n })],
  CLOSED: [
    ...disputed,
    s.resolveDispute({ by: admin, buyer: 4_000n, seller: 6_000n }),
    s.transferSucceeded(),
    s.refundSucceeded(),
  ],
};

export const existingStates = Object.keys(histories) as readonly StateName[];
export const stateNames: readonly StateName[] = ["NONE", ...existingStates];

const escrows = new Map<StateName, Escrow>();

/** The escrow in that state; undefined for NONE, which does not exist. */
export function escrowIn(state: StateName): Escrow | undefined {
  if (state === "NONE") return undefined;
  const escrow = escrows.get(state) ?? play(...histories[state]);
  escrows.set(state, escrow);
  return escrow;
}
