/**
 * Commands about a provider instead of an escrow: to stop it, to let it go on, to set aside an object
 * of its that is not ours. Decided in the same batch as the others, one after the other on the stops
 * and objects as they stand under lock, one outcome each.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "#gen/payments/v1/commands_pb";
import { EventSchema, PaymentCommandSucceededSchema } from "#gen/payments/v1/events_pb";
import { generateEventId } from "#kernel/ids";
import type { Tx } from "#platform/database/database";
import type { Outgoing } from "#platform/messaging/handler";
import { topics } from "#topics";
import type { Cause } from "../cause.ts";
import type { Rejection } from "../domain/effect.ts";
import type { CommandIdentity } from "../journal.ts";
import type { Providers } from "../provider.ts";
import type { ObjectKey } from "../recording/objects.ts";
import { sayToTreasury, type TreasuryNotice } from "../treasury.ts";
import { acknowledge, type Heard, keyOf, lookedAt } from "../webhooks/unmatched.ts";
import { resumeProvider, stopProvider } from "./provider-stops.ts";

type ProviderBody = Extract<
  Command["body"],
  { case: "stopProvider" | "resumeProvider" | "acknowledgeObject" }
>;
export type ProviderCommand = Command & { readonly body: ProviderBody };

export function isProviderCommand(command: Command): command is ProviderCommand {
  const asked = command.body.case;
  return asked === "stopProvider" || asked === "resumeProvider" || asked === "acknowledgeObject";
}

/** The objects that commands want to set aside. */
export function objectsNamed(commands: readonly Command[]): ObjectKey[] {
  return commands.flatMap(({ escrowId: provider, body }) =>
    body.case === "acknowledgeObject" ? [{ provider, objectId: body.value.objectId }] : [],
  );
}

export interface ProviderDesk {
  /** Undefined: accepted, and written with the batch. */
  decide(command: ProviderCommand, identity: CommandIdentity, cause: Cause): Rejection | undefined;
  isStopped(provider: string): boolean;
  /** After every other write of the batch; returns what is to be said of it, and `more`. */
  write(tx: Tx, more: readonly TreasuryNotice[]): Promise<readonly Outgoing[]>;
}

export interface DeskOptions {
  readonly now: Date;
  readonly providers: Providers;
  /** The providers that are stopped as the batch begins. */
  readonly stopped: ReadonlySet<string>;
  /** Objects that wait for a person, locked; by `keyOf`. */
  readonly unmatched: ReadonlyMap<string, Heard>;
}

export function createProviderDesk(options: DeskOptions): ProviderDesk {
  const { now, providers } = options;
  const current = new Set(options.stopped);
  const unmatched = new Map(options.unmatched);
  const writes: ((tx: Tx) => Promise<TreasuryNotice[]>)[] = [];
  const outcomes: Outgoing[] = [];
  return {
    isStopped: (provider) => current.has(provider),
    decide: (command, identity, cause) => {
      const rejected = refusal(command, { stopped: current, unmatched, providers });
      if (rejected !== undefined) return rejected;
      const { escrowId: provider, body, actor, approvedBy } = command;
      const note = body.value.reason;
      if (body.case === "stopProvider") {
        const stop = { provider, reason: "OPERATOR", stoppedBy: actor?.id ?? "", note, cause };
        current.add(provider);
        writes.push((tx) => stopProvider(tx, stop, now));
      } else if (body.case === "acknowledgeObject") {
        const { objectId, signals } = body.value;
        const object = { provider, objectId };
        const heard = unmatched.get(keyOf(object));
        if (heard !== undefined) unmatched.set(keyOf(object), lookedAt(heard, signals));
        const looked = { ...object, signals, acknowledgedBy: actor?.id ?? "", note, cause };
        writes.push((tx) => acknowledge(tx, looked));
      } else {
        current.delete(provider);
        writes.push((tx) => resumeProvider(tx, { provider, approvedBy, note, cause }, now));
      }
      outcomes.push(succeeded(identity, cause, now));
      return undefined;
    },
    write: async (tx, more) => {
      const notices: TreasuryNotice[] = [...more];
      for (const write of writes) notices.push(...(await write(tx)));
      return [...outcomes, ...(await sayToTreasury(tx, notices, now))];
    },
  };
}

/** The route checked the same before; here it counts. */
function refusal(
  { escrowId, body, actor, approvedBy }: ProviderCommand,
  { stopped, unmatched, providers }: Omit<DeskOptions, "now">,
): Rejection | undefined {
  if (!providers.has(escrowId)) return { code: "NOT_FOUND", detail: "there is no such provider" };
  if (actor?.roles.includes("admin") !== true) {
    return { code: "ROLE_REQUIRED", detail: "needs role admin" };
  }
  if (body.case === "acknowledgeObject") {
    const object = { provider: escrowId, objectId: body.value.objectId };
    const heard = unmatched.get(keyOf(object));
    if (heard !== undefined) {
      if (lookedAt(heard, body.value.signals).acknowledged > heard.acknowledged) return undefined;
      return { code: "ALREADY_SETTLED", detail: "so much of it was set aside already" };
    }
    return { code: "ALREADY_SETTLED", detail: "it does not wait to be set aside" };
  }
  if (body.case === "stopProvider") {
    if (!stopped.has(escrowId)) return undefined;
    return { code: "ALREADY_SETTLED", detail: "it is stopped already" };
  }
  if (new Set(approvedBy).size < 2) {
    return { code: "APPROVAL_REQUIRED", detail: "two operators resume a provider" };
  }
  if (stopped.has(escrowId)) return undefined;
  return { code: "ALREADY_SETTLED", detail: "it is not stopped" };
}

/** Not numbered: it belongs to no escrow's events. */
function succeeded(
  { commandId, escrowId, fingerprint, actorId }: CommandIdentity,
  cause: Cause,
  now: Date,
): Outgoing {
  const value = create(PaymentCommandSucceededSchema, { commandId, fingerprint, actorId });
  const message = create(EventSchema, {
    eventId: generateEventId(escrowId, value.$typeName, commandId, now),
    escrowId,
    ...cause,
    occurredAt: timestampFromDate(now),
    provider: escrowId,
    body: { case: "paymentCommandSucceeded", value },
  });
  return { topic: topics.paymentsEvents, message, ...cause };
}
