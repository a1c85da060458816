/** What payments consumes. */
import type { AnyHandler } from "#platform/messaging/handler";
import { type CommandHandlerOptions, createCommandHandler } from "./handle-command.ts";
import { createWebhookHandler, type WebhookHandlerOptions } from "./webhooks/handle-webhook.ts";

export function paymentsConsumers(
  options: CommandHandlerOptions & WebhookHandlerOptions,
): readonly AnyHandler[] {
  return [createCommandHandler(options), createWebhookHandler(options)];
}
