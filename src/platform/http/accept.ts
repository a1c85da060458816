/**
 * Takes a command: 202 only after the log acknowledged it, then, where the caller would wait, its
 * outcome. A repeat of a request gets the first one's answer.
 */
import { type Message, toJson } from "@bufbuild/protobuf";
import type { Context } from "hono";
import { EscrowViewSchema } from "#gen/escrow/v1/queries_pb";
import { commandSubject } from "#kernel/command-subject";
import { NotSentError, TerminalError, TransientError } from "../errors.ts";
import type { AppendedRecord } from "../messaging/event-log.ts";
import type { Outgoing } from "../messaging/handler.ts";
import type { Topic } from "../messaging/topic.ts";
import type { HttpEnv } from "../module.ts";
import { headerOf } from "./openapi/headers.ts";
import { type CommandOutcome, idempotencyConflict, type Outcomes } from "./outcomes.ts";
import { waitMsOf } from "./prefer.ts";
import { HttpProblem, unavailable } from "./problem.ts";
import { createRecentRequests } from "./recent-requests.ts";

/** What commands of every module have. */
export interface AnyCommand extends Message {
  readonly commandId: string;
  readonly escrowId: string;
  readonly fingerprint: string;
  readonly correlationId: string;
}

export interface CommandPublisher {
  publish(outgoing: Outgoing, deadlineMs: number): Promise<AppendedRecord>;
}

export interface AcceptorOptions<C extends AnyCommand> {
  readonly publisher: CommandPublisher;
  readonly topic: Topic<C>;
  /** How long the log may take before the caller is told to come again. */
  readonly publishMs: number;
  /** Absent where no projections are mounted: a wish to wait is then not honoured. */
  readonly outcomes?: Outcomes | undefined;
  /** Told when the log has it, or never takes it: nobody needs to ask for it again. */
  readonly settled?: (command: C) => Promise<void>;
}

export type Acceptor<C extends AnyCommand> = (c: Context<HttpEnv>, command: C) => Promise<Response>;

const replayed = { "Idempotent-Replay": "true" };
const waited = { "Preference-Applied": "wait" };

export function createAcceptor<C extends AnyCommand>(options: AcceptorOptions<C>): Acceptor<C> {
  const { publisher, topic, publishMs, outcomes, settled } = options;
  const recent = createRecentRequests<Date>();

  async function publish(command: C, traceparent: string): Promise<Date> {
    const { commandId, escrowId, correlationId } = command;
    try {
      const outgoing = { topic, message: command, correlationId, causationId: "", traceparent };
      return (await publisher.publish(outgoing, publishMs)).appendedAt;
    } catch (error) {
      if (error instanceof TerminalError) {
        await settled?.(command);
        // The topic's rules are the last to judge a body: nothing that breaks them is accepted.
        throw new HttpProblem("INVALID_BODY", "A command cannot carry this body.", {
          cause: error,
        });
      }
      if (!(error instanceof TransientError)) throw error;
      const extra = { commandId, ...commandSubject(escrowId) };
      if (error instanceof NotSentError) {
        const seconds = Math.max(1, Math.ceil(error.retryAfterMs / 1_000));
        throw unavailable(
          { extra, cause: error, headers: { "Retry-After": `${seconds}` } },
          `This request was not accepted: the log takes nothing at the moment. Try again in ${seconds} s, with the same Idempotency-Key.`,
        );
      }
      throw unavailable(
        { extra, cause: error },
        "The command may have been accepted: repeat it with the same Idempotency-Key.",
      );
    }
  }

  return async (c, command) => {
    const { commandId, fingerprint } = command;
    const waitMs = outcomes && waitMsOf(headerOf(c, "Prefer"));
    const known = waitMs === undefined ? undefined : await outcomes?.find(commandId);
    if (known !== undefined) {
      await settled?.(command);
      return decided(c, command, known, outcomes, { ...replayed, ...waited });
    }
    const take = async () => {
      const appendedAt = await publish(command, c.get("traceparent"));
      await settled?.(command);
      return appendedAt;
    };
    const { result: receivedAt, repeated } = await recent.once(commandId, fingerprint, take);
    const headers = repeated ? replayed : {};
    if (waitMs === undefined) return pending(c, command, receivedAt, headers);
    const outcome = await outcomes?.wait(commandId, waitMs);
    if (outcome === undefined) return pending(c, command, receivedAt, { ...headers, ...waited });
    return decided(c, command, outcome, outcomes, { ...headers, ...waited });
  };
}

function pending(
  c: Context<HttpEnv>,
  { commandId, escrowId, fingerprint }: AnyCommand,
  receivedAt: Date,
  headers: Record<string, string>,
): Response {
  const subject = commandSubject(escrowId);
  const body = { commandId, ...subject, status: "pending", receivedAt: receivedAt.toISOString() };
  const location = `/v1/commands/${commandId}?f=${fingerprint}`;
  return c.json(body, 202, { Location: location, ...headers });
}

async function decided(
  c: Context<HttpEnv>,
  { commandId, escrowId, fingerprint }: AnyCommand,
  outcome: CommandOutcome,
  outcomes: Outcomes | undefined,
  headers: Record<string, string>,
): Promise<Response> {
  if (outcome.fingerprint !== fingerprint) throw idempotencyConflict(commandId);
  const subject = commandSubject(escrowId);
  if (outcome.status === "rejected") {
    const extra = { commandId, ...subject };
    throw new HttpProblem(outcome.code, outcome.detail, { extra, headers });
  }
  const view = await outcomes?.view(escrowId, c.get("principal"));
  const escrow = view && toJson(EscrowViewSchema, view, { alwaysEmitImplicit: true });
  const etag = view && { ETag: `"${view.version}"` };
  const answer = { commandId, ...subject, status: "succeeded", escrow };
  return c.json(answer, 200, { ...headers, ...etag });
}
