/**
 * Which role writes and reads what in Kafka: the one table that access rules are generated from, and
 * that each role checks at its start. What a role does not need it may not do: only the outbox
 * writes events, so that a stolen password of another role cannot invent one.
 */
import { deadLetterTopic } from "#platform/messaging/topic-names";
import type { RoleName } from "./config.ts";
import { allTopics, topics } from "./topics.ts";

/** A message goes round here before a process calls itself ready. */
export const probeTopic = "app.probe.v1";

/** The roles of a server, and whoever sets up and looks in: `app topics`, `doctor`, `verify`. */
export type KafkaUser = RoleName | "operator";

export interface KafkaRights {
  readonly writes: readonly string[];
  readonly reads: readonly string[];
  readonly groups: readonly string[];
  /** May create and change topics, and see the groups of all. */
  readonly administers: boolean;
}

const { escrowCommands, paymentsCommands, webhookEvents } = topics;
const { escrowEvents, paymentsEvents, contractsEvents } = topics;

const everyTopic = allTopics.map(({ name }) => name);
const deadLetters = everyTopic.map(deadLetterTopic);
/** What HTTP routes publish; the events of modules leave by the outbox alone. */
const requested = [escrowCommands.name, paymentsCommands.name, webhookEvents.name];

const escrow = {
  writes: [escrowCommands.name],
  reads: [escrowCommands.name, paymentsEvents.name, contractsEvents.name],
  groups: ["escrow.commands", "escrow.payments-events", "escrow.contracts-events"],
};
const payments = {
  writes: [paymentsCommands.name, webhookEvents.name],
  reads: [paymentsCommands.name, webhookEvents.name],
  groups: ["payments.commands", "payments.webhooks"],
};
const projections = {
  writes: [],
  reads: [escrowEvents.name, escrowCommands.name, paymentsEvents.name, paymentsCommands.name],
  groups: [
    "projections.escrow-events",
    "projections.escrow-commands",
    "projections.payments-events",
    "projections.payments-commands",
  ],
};
/** Nobody of ours writes what the outside tells of its contracts. */
export const outboxTopics: readonly string[] = [
  ...everyTopic.filter((name) => name !== contractsEvents.name),
  ...deadLetters,
];

/** It reads to see what a connector has published in its place. */
const outbox = { writes: outboxTopics, reads: outboxTopics, groups: ["outbox.published"] };

type Granted = Omit<KafkaRights, "administers">;

const granted: Readonly<Record<KafkaUser, Granted>> = {
  escrow,
  payments,
  projections,
  outbox,
  api: { writes: requested, reads: [], groups: [] },
  all: together([escrow, payments, projections, outbox]),
  operator: {
    writes: [],
    reads: [...everyTopic, ...deadLetters],
    groups: together([escrow, payments, projections, outbox]).groups,
  },
};

export const kafkaUsers = Object.keys(granted) as readonly KafkaUser[];

/** Everyone sends a message round at its start. */
export function rightsOf(user: KafkaUser): KafkaRights {
  const { writes, reads, groups } = granted[user];
  return {
    writes: [...writes, probeTopic],
    reads: [...reads, probeTopic],
    groups,
    administers: user === "operator",
  };
}

/** The topics a process with these roles has to do with. */
export function topicsOf(roles: readonly RoleName[]): ReadonlySet<string> {
  return new Set(roles.flatMap((role) => [...rightsOf(role).writes, ...rightsOf(role).reads]));
}

function together(several: readonly Granted[]): Granted {
  const all = (list: (one: Granted) => readonly string[]) => [...new Set(several.flatMap(list))];
  return {
    writes: all(({ writes }) => writes),
    reads: all(({ reads }) => reads),
    groups: all(({ groups }) => groups),
  };
}
