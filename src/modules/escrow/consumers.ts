/** What the escrow module reads, and who handles it. */
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
    }),
    defineHandler({
      name: "escrow.payments-events",
      topic: topics.paymentsEvents,
      handleBatch: payments,
    }),
    defineHandler({
      name: "escrow.contracts-events",
      topic: topics.contractsEvents,
      handleBatch: handleContracts,
      gaps: true,
    }),
  ] as const;
}
