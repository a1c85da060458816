/** What the escrow module reads, and who handles it. */
import { defineHandler } from "#platform/messaging/handler";
import { topics } from "#topics";
import { handleCommands, handleContracts, handlePayments } from "./handle.ts";

export const handlers = [
  defineHandler({
    name: "escrow.commands",
    topic: topics.escrowCommands,
    handleBatch: handleCommands,
  }),
  defineHandler({
    name: "escrow.payments-events",
    topic: topics.paymentsEvents,
    handleBatch: handlePayments,
  }),
  defineHandler({
    name: "escrow.contracts-events",
    topic: topics.contractsEvents,
    handleBatch: handleContracts,
    gaps: true,
  }),
] as const;
