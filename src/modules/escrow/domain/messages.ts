/**
 * What the decider takes and gives: commands and payments' facts in, event bodies or a rejection
 * out. All of it is the generated protobuf types; there is no second set.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Command } from "#gen/escrow/v1/commands_pb";
import type { CommandRejected_Code, Event } from "#gen/escrow/v1/events_pb";
import type { Actor, FundsChange } from "#gen/escrow/v1/types_pb";
import type { Command as PaymentsCommand } from "#gen/payments/v1/commands_pb";
import type { Event as PaymentsEvent } from "#gen/payments/v1/events_pb";
import type { FeeTable } from "#kernel/fees";

/** What is not the parties' to agree. */
export interface Rules {
  readonly fees: FeeTable;
  readonly limits: PartyLimits;
  readonly routing: Routing;
  /** What a party began on the UTC day of an instant; counted only where a limit is set. */
  used(partyId: string, currency: string, at: Timestamp): Used;
}

/** Per party, on either side of its deals, and per UTC day. */
export interface PartyLimits {
  readonly escrows?: bigint | undefined;
  /** By currency, in minor units. */
  readonly amounts: ReadonlyMap<string, bigint>;
}

/** Which providers there are for a deal. */
export interface Routing {
  /** Providers there are. */
  readonly names: readonly string[];
  /** The most that a provider carries of a currency, in minor units, by `provider currency`. */
  readonly most: ReadonlyMap<string, bigint>;
}

export interface Used {
  readonly escrows: bigint;
  readonly amount: bigint;
}

type Known<Body extends { case: string | undefined }> = Exclude<Body, { case: undefined }>;

export type CommandBody = Known<Command["body"]>;
export type FactBody = Known<PaymentsEvent["body"]>;
export type Input = CommandBody | FactBody;
/** What may happen to an escrow; `command_rejected` is said by the handler, not evolved. */
export type EventBody = Exclude<Known<Event["body"]>, { case: "commandRejected" }>;
export type PaymentsCommandBody = Known<PaymentsCommand["body"]>;

/** One member of a body's oneof, by its case. */
export type CommandOf<C extends CommandBody["case"]> = Extract<CommandBody, { case: C }>["value"];
export type FactOf<C extends FactBody["case"]> = Extract<FactBody, { case: C }>["value"];
export type EventOf<C extends EventBody["case"]> = Extract<EventBody, { case: C }>["value"];

/** Who asks, when, and under which conditions. */
export interface Context {
  readonly escrowId: string;
  /** Of a command: when the log received it, in business time. Of a fact: when it is handled. */
  readonly now: Timestamp;
  readonly actor: Actor;
  /** If-Match; 0 when not asked for. */
  readonly expectedVersion: bigint;
  /** The command's or the payments event's id. */
  readonly commandId: string;
  /** Operators who approved a two-operator action, the asker included. */
  readonly approvedBy: readonly string[];
  /** What a payments event moved in the books. */
  readonly change?: FundsChange | undefined;
  /** What the operator of this system has set. */
  readonly rules: Rules;
}

/** When and by whom an event happened; from its envelope. */
export interface EventMeta {
  readonly escrowId: string;
  readonly occurredAt: Timestamp;
  readonly actor: Actor;
}

export interface Rejection {
  readonly code: CommandRejected_Code;
  readonly detail: string;
}

/** Zero events: a fact or a stale timer that changes nothing. */
export type Decision = { readonly events: readonly EventBody[] } | { readonly rejected: Rejection };
