import { expect, test } from "bun:test";
import { readsAll, type Standing, standingOf } from "./standing.ts";

const members = { buyerId: "alice", sellerId: "bob", serviceId: "shop" };
const himself = (id: string, ...roles: string[]) => ({ id, serviceId: "", roles });
const acting = (serviceId: string, id: string, ...roles: string[]) => ({ id, serviceId, roles });

// A1: every kind of caller, and no other way in.
test.each<[string, Standing | undefined, Parameters<typeof standingOf>[1]]>([
  ["the buyer", "buyer", himself("alice")],
  ["the seller", "seller", himself("bob")],
  ["a party who is an admin too", "buyer", himself("alice", "admin")],
  ["an admin", "operator", himself("root", "admin")],
  ["an auditor", "auditor", himself("eve", "auditor")],
  ["the service that created it", "creator", himself("shop", "service")],
  ["that service for the buyer", "buyer", acting("shop", "alice", "service")],
  ["that service for a stranger", undefined, acting("shop", "mallory", "service")],
  ["another service for the buyer", undefined, acting("mall", "alice", "service")],
  ["another service", undefined, himself("mall", "service")],
  ["an admin's token that acts for a stranger", undefined, acting("mall", "x", "service", "admin")],
  ["a stranger", undefined, himself("mallory", "buyer", "seller")],
])("A1, pitfall 41: %s is %p", (_, standing, caller) => {
  expect(standingOf(members, caller)).toBe(standing);
});

test("A1: where no service created the escrow, nobody is its creator", () => {
  const own = { ...members, serviceId: "" };
  expect(standingOf(own, himself(""))).toBeUndefined();
  expect(standingOf(own, acting("shop", "alice", "service"))).toBeUndefined();
});

test("A1: admins and auditors see all, unless they act for somebody", () => {
  expect(readsAll(himself("root", "admin"))).toBe(true);
  expect(readsAll(himself("eve", "auditor"))).toBe(true);
  expect(readsAll(himself("shop", "service"))).toBe(false);
  expect(readsAll(acting("shop", "alice", "service", "admin"))).toBe(false);
});
