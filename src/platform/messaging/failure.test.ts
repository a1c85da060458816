import { expect, test } from "bun:test";
import { SystemicError, TerminalError, TransientError } from "../errors.ts";
import {
  backoffMs,
  classifyDecision,
  classifyFailure,
  createFailureWindow,
  describe,
  fingerprintOf,
  letterFingerprint,
} from "./failure.ts";

const withState = (code: string): Error => Object.assign(new Error("database"), { code });

test("what a failure means for its message", () => {
  const cases: [unknown, string][] = [
    [new TerminalError("x"), "permanent"],
    [withState("22003"), "permanent"],
    [withState("23514"), "permanent"],
    [new TypeError("x is undefined"), "permanent"],
    [withState("23505"), "conflict"],
    [withState("42P01"), "systemic"],
    [new SystemicError("x"), "systemic"],
    [withState("40P01"), "transient"],
    [new TransientError("x"), "transient"],
    [new Error("anything"), "transient"],
  ];
  for (const [error, found] of cases) expect(classifyFailure(error)).toBe(found as "transient");
});

test("what a decision throws is its message's fault, unless it says otherwise", () => {
  expect(classifyDecision(new Error("anything"))).toBe("permanent");
  expect(classifyDecision(new TransientError("x"))).toBe("transient");
  expect(classifyDecision(new SystemicError("x"))).toBe("systemic");
});

test("failures of one cause look alike whatever their ids", () => {
  const one = fingerprintOf(new Error("escrow esc_0123456789abcdef at version 7"));
  expect(fingerprintOf(new Error("escrow esc_fedcba9876543210 at version 12"))).toBe(one);
  expect(fingerprintOf(new Error("payment pay_0123456789abcdef at version 7"))).not.toBe(one);
});

test("more than a fifth of the last 200 failing alike is too many", () => {
  const alike = (count: number): Error[] => Array.from({ length: count }, () => new Error("same"));
  const window = createFailureWindow();
  window.add(200, alike(40));
  expect(window.excess(1, [])).toBeUndefined();
  expect(window.excess(1, [new Error("another")])).toBeUndefined();
  expect(window.excess(1, alike(1))).toBe("Error: same");
  window.add(200, []);
  expect(window.excess(40, alike(40))).toBeUndefined();
});

test("the wait doubles up to half a minute", () => {
  for (const [tries, fullMs] of [
    [0, 100],
    [3, 800],
    [50, 30_000],
  ] as const) {
    expect(backoffMs(tries)).toBeGreaterThanOrEqual(fullMs / 2);
    expect(backoffMs(tries)).toBeLessThanOrEqual(fullMs);
  }
});

test("what a database refuses has one name with every driver and in every compiled program", () => {
  const names = ["PostgresError", "yy", "error"];
  const refused = names.map((name) =>
    Object.assign(new Error("a rule is broken"), { name, code: "23514" }),
  );
  expect(refused.map(describe)).toEqual(names.map(() => "PostgresError: a rule is broken"));
  expect(new Set(refused.map((error) => letterFingerprint("a.Type", error))).size).toBe(1);
  const ours = new TerminalError("ours", { cause: refused[0] });
  expect(describe(ours)).toBe("TerminalError: ours");
});
