/** What changes nothing is an answer to a timer, never to a person. */
import { expect, test } from "bun:test";
import { buyer, system } from "../../../test/support/escrow-steps.ts";
import { nothing, outcome, rejected } from "../../../test/support/given.ts";
import { answered } from "./work.ts";

test("a person whose command would change nothing is refused; a timer is not", () => {
  expect(outcome(answered({ events: [] }, { actor: buyer }))).toEqual(rejected("DECISION_STANDS"));
  expect(outcome(answered({ events: [] }, { actor: system }))).toEqual(nothing);
});
