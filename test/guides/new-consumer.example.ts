import type { Event } from "#gen/escrow/v1/events_pb";
import { defineListener } from "#platform/listening/listener";
import type { Module } from "#platform/module";

export function createDiscord({ post }: { post(text: string): Promise<void> }): Module {
  const disputes = defineListener<Event>({
    name: "discord.disputes",
    on: "escrow.events.v1",
    types: ["EscrowDispute*"],
    async handle({ escrowId }, { messageType, messageId }) {
      await post(`${escrowId}: ${messageType} (${messageId})`);
    },
  });
  return { name: "discord", handlers: [], workers: [], listeners: [disputes] };
}
