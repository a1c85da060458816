/**
 * The written-out table of states and commands: every cell stands in exactly one row, and each row
 * is a test. A state or a command that is added without its cells fails.
 */
import { expect, test } from "bun:test";
import { CommandSchema } from "#gen/escrow/v1/commands_pb";
import { EscrowStatus_State } from "#gen/escrow/v1/types_pb";
import { escrowIn, type StateName, stateNames } from "./escrow-states.ts";
import { type StepAt, stranger } from "./escrow-steps.ts";
import { type Expectation, given, rejected, stateName, stepOn } from "./given.ts";

export interface Table {
  row(
    states: StateName | readonly StateName[],
    commands: StepAt | readonly StepAt[],
    expected: Expectation,
  ): void;
  /** The tests that no cell is missing and no state is called what it is not. */
  complete(): void;
}

export function createTable(): Table {
  const cells: { state: StateName; name: string; body: string }[] = [];
  return {
    row(states, commands, expected) {
      for (const state of [states].flat() as StateName[]) {
        for (const command of [commands].flat() as StepAt[]) {
          const escrow = escrowIn(state);
          const { name, input } = stepOn(escrow, command);
          cells.push({ state, name, body: input.case });
          test(`${state}: ${name} → ${told(expected)}`, () => {
            given(escrow).when(command).then(expected);
            if (input.case === "createEscrow") return;
            const alien = { ...stepOn(escrow, command), actor: stranger };
            given(escrow).when(alien).then(rejected("NOT_FOUND"));
          });
        }
      }
    },
    complete() {
      test("has each cell exactly once", () => {
        const names = new Set(cells.map((cell) => cell.name));
        const wanted = [...names].flatMap((name) => stateNames.map((state) => `${state}: ${name}`));
        expect(cells.map(({ state, name }) => `${state}: ${name}`).sort()).toEqual(wanted.sort());
      });
      test("has rows for every command there is", () => {
        const commands = CommandSchema.oneofs[0]?.fields.map((field) => field.localName) ?? [];
        const told: string[] = [...new Set(cells.map((cell) => cell.body))];
        expect(told.sort()).toEqual(commands.sort());
      });
      test("has every state there is, each reached by its history", () => {
        const states = Object.values(EscrowStatus_State).flatMap((state) =>
          typeof state === "string" ? [state === "UNSPECIFIED" ? "NONE" : state] : [],
        );
        const told: string[] = [...stateNames];
        expect(told.sort()).toEqual(states.sort());
        for (const state of stateNames) {
          const escrow = escrowIn(state);
          expect(escrow ? stateName(escrow) : "NONE").toBe(state);
        }
      });
    },
  };
}

function told(expected: Expectation): string {
  return "rejected" in expected ? expected.rejected : expected.events.join(", ") || "nothing";
}
