import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { CommandRejected_Code as Code } from "#gen/escrow/v1/events_pb";
import { MoneySchema } from "#gen/escrow/v1/types_pb";
import type { Routing } from "./messages.ts";
import { providerFor, providerGuard } from "./routing.ts";

const money = (amount: bigint, currency: string) => create(MoneySchema, { amount, currency });
const routing = (...names: string[]): Routing => ({
  names,
  most: new Map([["stripe USD", 1_000_000n]]),
});

test.each([
  ["USD", ["sandbox"], "sandbox"],
  ["USD", ["sandbox", "stripe"], "stripe"],
  ["USDC", ["sandbox", "stripe", "custodian"], "custodian"],
  ["EUR", ["custodian", "stripe"], "stripe"],
  // Nothing real holds it: what plays money does, where it is there at all.
  ["USDC", ["sandbox", "stripe"], "sandbox"],
  ["USDC", ["stripe"], "stripe"],
])("P4: a deal in %s goes, of %j, to %s", (currency, names, provider) => {
  expect(providerFor(money(100n, currency), routing(...names))).toBe(provider);
});

test("P4: Stripe carries up to its limit, and above it USDC is proposed, never the sandbox", () => {
  const there = routing("sandbox", "stripe");
  const large = money(1_000_001n, "USD");
  expect(providerGuard("stripe", money(1_000_000n, "USD"), there)).toBeUndefined();
  expect(providerGuard("stripe", large, there)).toMatchObject({
    code: Code.PROVIDER_LIMIT,
    detail: expect.stringContaining("USDC"),
  });
  expect(providerFor(large, there)).toBe("stripe");
});

test("a currency that a provider cannot hold is refused, whatever the amount", () => {
  expect(providerGuard("stripe", money(1n, "USDC"), routing("stripe"))?.code).toBe(
    Code.PROVIDER_UNSUPPORTED,
  );
  expect(providerGuard("nobody", money(1n, "USD"), routing("nobody"))?.code).toBe(
    Code.PROVIDER_UNSUPPORTED,
  );
});
