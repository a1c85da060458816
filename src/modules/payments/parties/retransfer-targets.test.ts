import { expect, test } from "bun:test";
import type { OperationRow } from "../schema.ts";
import { isUnsentRetransfer } from "./retransfer-targets.ts";

const unsent = { kind: "RETRANSFER", state: "READY", tries: 0, absent_before: false };
const seen = (change: Partial<OperationRow>): boolean =>
  isUnsentRetransfer({ ...unsent, ...change } as OperationRow);

test("a re-transfer that was never called goes to the account that the seller has now", () => {
  expect(seen({})).toBe(true);
});

test("one of which an attempt may have happened keeps its account", () => {
  expect(seen({ tries: 1 })).toBe(false);
  expect(seen({ state: "UNKNOWN" })).toBe(false);
  // The attempt before it was not found: that may only mean not found yet.
  expect(seen({ absent_before: true })).toBe(false);
  expect(seen({ absent_before: null })).toBe(false);
});

test("a transfer to a seller is no re-transfer", () => {
  expect(seen({ kind: "TRANSFER" })).toBe(false);
});
