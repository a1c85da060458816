/** A handler that nothing would run is found at the start, not by a reader who waits. */
import { expect, test } from "bun:test";
import { defineHandler } from "#platform/messaging/handler";
import type { Module } from "#platform/module";
import { topics } from "#topics";
import { assertConsumed } from "./consuming.ts";

function moduleWith(...names: readonly string[]): Module {
  const handlers = names.map((name) =>
    defineHandler({ name, topic: topics.escrowEvents, handleBatch: async () => [] }),
  );
  return { name: "any", handlers, workers: [] };
}

test("a module with handlers and without a schema of its own is refused, by name", () => {
  const modules = {
    escrow: moduleWith("escrow.commands"),
    shipping: moduleWith("shipping.events"),
  };
  expect(() => assertConsumed(modules)).toThrow(
    "nothing would run the handler shipping.events: the schema shipping is not among escrow,",
  );
});

test("a handler whose letters nobody would find is refused", () => {
  expect(() => assertConsumed({ escrow: moduleWith("shipping.events") })).toThrow(
    'the handler shipping.events of the module escrow needs a name that begins with "escrow."',
  );
});

test("a module that only listens needs no schema", () => {
  expect(() => assertConsumed({ outbox: moduleWith(), escrow: moduleWith() })).not.toThrow();
});
