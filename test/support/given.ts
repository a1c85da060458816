/** Given a history, when a command or fact arrives, then these events or this rejection. */
import { expect } from "bun:test";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import type { Escrow, Funds } from "#gen/escrow/v1/types_pb";
import { EscrowStatus_State } from "#gen/escrow/v1/types_pb";
import { defaultFees } from "../../src/kernel/fees.ts";
import { decide } from "../../src/modules/escrow/domain/decide.ts";
import { evolve } from "../../src/modules/escrow/domain/evolve.ts";
import type {
  Context,
  Decision,
  EventBody,
  EventMeta,
  Rules,
} from "../../src/modules/escrow/domain/messages.ts";
import { sandboxOnly } from "../../src/modules/escrow/domain/routing.ts";
import { stateOf } from "../../src/modules/escrow/domain/status.ts";
import { type Step, type StepAt, start } from "./escrow-steps.ts";

export type Expectation = { events: readonly string[] } | { rejected: string };
export type Code = keyof typeof CommandRejected_Code;

export const events = (...names: EventBody["case"][]): Expectation => ({ events: names });
export const nothing: Expectation = { events: [] };
export const rejected = (code: Code): Expectation => ({ rejected: code });

const escrowId = "esc_1";

/** Runs the steps in order; each must be accepted. Returns the escrow they lead to. */
export function play(...steps: readonly StepAt[]): Escrow {
  const escrow = steps.reduce<Escrow | undefined>((state, at) => {
    const step = stepOn(state, at);
    const decision = decideStep(state, step);
    if ("rejected" in decision) {
      throw new Error(`${step.name}: ${CommandRejected_Code[decision.rejected.code]}`);
    }
    return fold(state, step, decision.events);
  }, undefined);
  if (!escrow) throw new Error("no steps");
  return escrow;
}

export function given(escrow: Escrow | undefined) {
  return {
    when(at: StepAt) {
      const step = stepOn(escrow, at);
      const decision = decideStep(escrow, step);
      return {
        decision,
        // biome-ignore lint/suspicious/noThenProperty: given, when, then; nobody awaits it
        then: (expected: Expectation) => expect(outcome(decision)).toEqual(expected),
      };
    },
  };
}

export function outcome(decision: Decision): Expectation {
  return "rejected" in decision
    ? { rejected: CommandRejected_Code[decision.rejected.code] ?? "" }
    : { events: decision.events.map((body) => body.case) };
}

export function decideStep(state: Escrow | undefined, step: Step): Decision {
  return decide(state, step.input, contextOf(step));
}

export function stepOn(state: Escrow | undefined, at: StepAt): Step {
  return typeof at === "function" ? at(state ?? unknown) : at;
}

export function fold(
  state: Escrow | undefined,
  step: Step,
  bodies: readonly EventBody[],
): Escrow | undefined {
  const meta = metaOf(step);
  return bodies.reduce<Escrow | undefined>((escrow, body) => evolve(escrow, body, meta), state);
}

export function metaOf({ actor, now }: Step): EventMeta {
  return { escrowId, occurredAt: now ?? start, actor };
}

export function stateName(escrow: Escrow): string {
  return EscrowStatus_State[stateOf(escrow)];
}

/** The funds without the parts that are 0. */
export function fundsIn({ funds }: Escrow): Partial<Record<keyof Funds, bigint>> {
  const parts = Object.entries(funds ?? {}).filter(([, part]) => typeof part === "bigint" && part);
  return Object.fromEntries(parts);
}

const unknown = {
  termsHash: "0".repeat(64),
  timers: [],
  offers: [],
  operations: [],
} as unknown as Escrow;

/** Fees as they are by default, no limits. */
const rules: Rules = {
  fees: defaultFees,
  limits: { amounts: new Map() },
  routing: sandboxOnly,
  used: () => ({ escrows: 0n, amount: 0n }),
};

function contextOf({ actor, now, approvedBy, expectedVersion, change }: Step): Context {
  return {
    escrowId,
    actor,
    now: now ?? start,
    approvedBy: approvedBy ?? [],
    expectedVersion: expectedVersion ?? 0n,
    commandId: "c".repeat(64),
    change,
    rules,
  };
}
