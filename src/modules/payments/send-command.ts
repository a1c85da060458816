/**
 * From a request to a command of payments on the log: the actor from the token, an id that follows
 * from the caller and his Idempotency-Key, 202 once the log has it. What needs two operators waits
 * for the second one first.
 */
import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Context } from "hono";
import { type Command, CommandSchema } from "#gen/payments/v1/commands_pb";
import { commandSubject } from "#kernel/command-subject";
import { generateCommandEventId } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import { createAcceptor } from "#platform/http/accept";
import type { Approvals } from "#platform/http/approvals";
import { fingerprintOf, idempotencyKeyOf } from "#platform/http/idempotency";
import type { Outcomes } from "#platform/http/outcomes";
import { actorOf, principalKey } from "#platform/http/principal";
import type { Publisher } from "#platform/messaging/publishing/publisher";
import type { HttpEnv } from "#platform/module";
import { topics } from "#topics";

export interface CommandSenderOptions {
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly fingerprintKey: Uint8Array;
  readonly approvals: Approvals<Command>;
  /** Absent where no projections are mounted: nobody waits there. */
  readonly outcomes?: Outcomes | undefined;
}

export interface Asked {
  /** The request's body as it came: what its fingerprint is of. */
  readonly json: JsonObject;
  readonly escrowId: string;
  readonly body: Command["body"];
}

export interface CommandSender {
  /** On the log at once. */
  send(c: Context<HttpEnv>, asked: Asked): Promise<Response>;
  /** On the log when a second operator approved. */
  ask(c: Context<HttpEnv>, asked: Asked): Promise<Response>;
  /** What two operators want, on the log. */
  accept(c: Context<HttpEnv>, command: Command): Promise<Response>;
}

const publishMs = 5_000;

export function createCommandSender(options: CommandSenderOptions): CommandSender {
  const { publisher, approvals, outcomes } = options;
  const topic = topics.paymentsCommands;
  const accept = createAcceptor({
    publisher,
    topic,
    publishMs,
    outcomes,
    settled: approvals.finish,
  });
  return {
    accept,
    send: (c, asked) => accept(c, commandOf(c, asked, options)),
    ask: async (c, asked) => {
      const command = commandOf(c, asked, options);
      const approvalId = await approvals.ask(command, c.get("principal"));
      const { commandId, escrowId } = command;
      const subject = commandSubject(escrowId);
      return c.json({ commandId, ...subject, status: "awaiting_approval", approvalId }, 202);
    },
  };
}

function commandOf(
  c: Context<HttpEnv>,
  { json, escrowId, body }: Asked,
  { clock, fingerprintKey }: CommandSenderOptions,
): Command {
  const principal = c.get("principal");
  const key = idempotencyKeyOf(c);
  return create(CommandSchema, {
    commandId: generateCommandEventId(escrowId, body.case ?? "", principalKey(principal), key),
    escrowId,
    actor: actorOf(principal),
    fingerprint: fingerprintOf(fingerprintKey, `${c.req.method} ${c.req.path}`, json),
    correlationId: c.get("correlationId"),
    sentAt: timestampFromDate(clock.now()),
    clockOffsetMs: clock.offsetMs(),
    body,
  });
}
