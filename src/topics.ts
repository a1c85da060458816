/**
 * The catalogue of topics: what exists, who writes it, how long it is kept. One topic has one
 * message type and one key, so that order per key holds across types.
 */
import {
  type Event as ContractEvent,
  EventSchema as ContractEventSchema,
} from "#gen/contracts/v1/events_pb";
import {
  type Command as EscrowCommand,
  CommandSchema as EscrowCommandSchema,
} from "#gen/escrow/v1/commands_pb";
import {
  type Event as EscrowEvent,
  EventSchema as EscrowEventSchema,
} from "#gen/escrow/v1/events_pb";
import {
  type Command as PaymentsCommand,
  CommandSchema as PaymentsCommandSchema,
} from "#gen/payments/v1/commands_pb";
import {
  type Event as PaymentsEvent,
  EventSchema as PaymentsEventSchema,
  type TreasuryEvent,
  TreasuryEventSchema,
} from "#gen/payments/v1/events_pb";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/payments/v1/webhooks_pb";
import { type AnyTopic, bodyTypeOf, type Topic } from "#platform/messaging/topic";

const partitions = 12;

const escrowCommands: Topic<EscrowCommand> = {
  name: "escrow.commands.v1",
  schema: EscrowCommandSchema,
  partitions,
  retentionDays: 30,
  timestamps: "append",
  keyOf: (command) => command.escrowId,
  idOf: (command) => command.commandId,
  typeOf: (command) => bodyTypeOf(EscrowCommandSchema, command),
};

const escrowEvents: Topic<EscrowEvent> = {
  name: "escrow.events.v1",
  schema: EscrowEventSchema,
  partitions,
  retentionDays: "forever",
  timestamps: "create",
  writer: "escrow",
  keyOf: (event) => event.escrowId,
  idOf: (event) => event.eventId,
  typeOf: (event) => bodyTypeOf(EscrowEventSchema, event),
};

const paymentsCommands: Topic<PaymentsCommand> = {
  name: "payments.commands.v1",
  schema: PaymentsCommandSchema,
  partitions,
  retentionDays: 30,
  timestamps: "append",
  keyOf: (command) => command.escrowId,
  idOf: (command) => command.commandId,
  typeOf: (command) => bodyTypeOf(PaymentsCommandSchema, command),
};

const paymentsEvents: Topic<PaymentsEvent> = {
  name: "payments.events.v1",
  schema: PaymentsEventSchema,
  partitions,
  retentionDays: "forever",
  timestamps: "create",
  writer: "payments",
  keyOf: (event) => event.escrowId,
  idOf: (event) => event.eventId,
  typeOf: (event) => bodyTypeOf(PaymentsEventSchema, event),
};

const treasuryEvents: Topic<TreasuryEvent> = {
  name: "treasury.events.v1",
  schema: TreasuryEventSchema,
  partitions,
  retentionDays: "forever",
  timestamps: "create",
  writer: "payments",
  keyOf: (event) => event.subject,
  idOf: (event) => event.eventId,
  typeOf: (event) => bodyTypeOf(TreasuryEventSchema, event),
};

const webhookEvents: Topic<WebhookReceived> = {
  name: "webhook.events.v1",
  schema: WebhookReceivedSchema,
  partitions,
  retentionDays: 30,
  timestamps: "append",
  keyOf: (webhook) => webhook.objectId,
  idOf: (webhook) => `${webhook.provider}:${webhook.eventId}`,
  typeOf: () => WebhookReceivedSchema.typeName,
};

const contractsEvents: Topic<ContractEvent> = {
  name: "contracts.events.v1",
  schema: ContractEventSchema,
  partitions,
  retentionDays: 90,
  timestamps: "append",
  keyOf: (event) => event.contractId,
  idOf: (event) => event.eventId,
  typeOf: (event) => bodyTypeOf(ContractEventSchema, event),
};

export const topics = {
  escrowCommands,
  escrowEvents,
  paymentsCommands,
  paymentsEvents,
  treasuryEvents,
  webhookEvents,
  contractsEvents,
} as const;

export const allTopics: readonly AnyTopic[] = Object.values(topics);
