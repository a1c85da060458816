/**
 * Deadlines. A worker sends the commands of due timers five seconds late, so that everything the
 * log received in time lies in front of them; the row's generation makes an old one harmless.
 */
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Command, CommandSchema } from "#gen/escrow/v1/commands_pb";
import { type Escrow, type Timer, Timer_Kind, TimerSchema } from "#gen/escrow/v1/types_pb";
import { generateCommandEventId } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database, Tx } from "#platform/database/database";
import type { Outgoing } from "#platform/messaging/handler";
import type { Outbox } from "#platform/messaging/outbox";
import type { Pending, Worker } from "#platform/module";
import { topics } from "#topics";
import type { CommandBody } from "./domain/messages.ts";
import { overdueTimers, timerCommand } from "./domain/timers.ts";
import { systemActor } from "./system-actor.ts";

/** How long after its due time a timer's command leaves. */
const graceMs = 5_000;
const batchSize = 500;

export interface TimerDeps {
  readonly db: Database;
  readonly outbox: Outbox;
  readonly clock: Clock;
}

/** Any number of processes may run it: a row is claimed, not owned. */
export function createTimers({ db, outbox, clock }: TimerDeps): Worker {
  return {
    name: "escrow.timers",
    idleMs: 500,
    async step() {
      const sent = await db.withTx(async (tx) => {
        const due = await takeDue(tx);
        await outbox.enqueue(
          tx,
          due.map((timer) => outgoing(stamped(deadlineCommand(timer), clock))),
        );
        return due.length;
      });
      if (sent === 0) return "idle";
      outbox.wake();
      return "worked";
    },
  };
}

interface EscrowTimer {
  readonly escrowId: string;
  readonly timer: Timer;
}

/** Marks what is due as sent; in order of due time. */
async function takeDue(tx: Tx): Promise<EscrowTimer[]> {
  const rows = await tx.sql<{ escrow_id: string; timer: Uint8Array }>`
    UPDATE escrow.timer t SET sent = true
    FROM (
      SELECT escrow_no, slot FROM escrow.timer
      WHERE NOT paused AND NOT sent
        AND due_at <= escrow.app_now() - ${graceMs}::int * interval '1 millisecond'
      ORDER BY due_at LIMIT ${batchSize} FOR UPDATE SKIP LOCKED
    ) due
    WHERE t.escrow_no = due.escrow_no AND t.slot = due.slot
    RETURNING t.escrow_id, t.timer`;
  return rows
    .map((row) => ({ escrowId: row.escrow_id, timer: fromBinary(TimerSchema, row.timer) }))
    .sort((a, b) => dueMs(a.timer) - dueMs(b.timer));
}

/** Due ones not sent, and when the next is to be sent. */
export async function pendingTimers(db: Database): Promise<Pending> {
  const [row] = await db.sql<{ due: bigint; next: Date | null }>`
    SELECT count(*) FILTER (WHERE leaves_at <= escrow.app_now()) AS due,
      min(leaves_at) FILTER (WHERE leaves_at > escrow.app_now()) AS next
    FROM (
      SELECT due_at + ${graceMs}::int * interval '1 millisecond' AS leaves_at
      FROM escrow.timer WHERE NOT paused AND NOT sent
    ) armed`;
  const due = row?.due ?? 0n;
  return { due: due > 0n ? [`${due} timers due`] : [], nextDue: row?.next ?? undefined };
}

/** Commands of armed timers that were due when the log received a person's command. */
export function overdueCommands(escrow: Escrow, received: Date): readonly Command[] {
  const { escrowId } = escrow;
  return overdueTimers(escrow, timestampFromDate(received)).map((timer) =>
    deadlineCommand({ escrowId, timer }),
  );
}

/** The same timer's command always has the same id. */
function deadlineCommand({ escrowId, timer }: EscrowTimer): Command {
  const body: CommandBody = timerCommand(timer);
  const { kind, milestoneId, announces, generation } = timer;
  const name = [Timer_Kind[kind], milestoneId, Timer_Kind[announces], dueMs(timer), generation];
  const commandId = generateCommandEventId(escrowId, body.case, "system:timer", name.join(":"));
  return create(CommandSchema, {
    commandId,
    escrowId,
    actor: systemActor,
    correlationId: commandId.slice(0, 32),
    body,
  });
}

/** As it leaves now. */
function stamped(command: Command, clock: Clock): Command {
  command.clockOffsetMs = clock.offsetMs();
  command.sentAt = timestampFromDate(clock.now());
  return command;
}

function outgoing(message: Command): Outgoing {
  const { correlationId } = message;
  return { topic: topics.escrowCommands, message, correlationId, causationId: "" };
}

function dueMs(timer: Timer): number {
  return timer.dueAt ? timestampMs(timer.dueAt) : 0;
}
