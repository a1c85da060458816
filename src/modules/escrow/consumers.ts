/** What the escrow module reads, and who handles it. */
import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import { defineHandler } from "#platform/messaging/handler";
import { topics } from "#topics";
import { decidingHandlers, handleContracts } from "./handle.ts";
import type { Settings } from "./work.ts";

export function escrowHandlers(settings: Settings) {
  const { commands, payments } = decidingHandlers(settings);
  return [
    defineHandler({
      name: "escrow.commands",
      topic: topics.escrowCommands,
      handleBatch: commands,
      // A deadline strikes once; a person can ask again.
      indispensable: ({ actor }) => actor?.kind === Actor_Kind.SYSTEM,
    }),
    defineHandler({
      name: "escrow.payments-events",
      topic: topics.paymentsEvents,
      handleBatch: payments,
      // Numbered per escrow: without one, every later one is refused.
      indispensable: ({ version }) => version > 0n,
    }),
    defineHandler({
      name: "escrow.contracts-events",
      topic: topics.contractsEvents,
      handleBatch: handleContracts,
      gaps: true,
    }),
  ] as const;
}
