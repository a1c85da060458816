/**
 * Collects the events of one decision. Each is folded at once, so that the next one sees its
 * effect, and gets the timers that follow from it.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import type { Escrow } from "#gen/escrow/v1/types_pb";
import { required } from "#kernel/assert";
import { evolve } from "./evolve.ts";
import type { Context, Decision, EventBody, EventMeta } from "./messages.ts";
import { timersAfter } from "./timers.ts";

export interface Draft {
  /** The escrow after the events said so far. */
  readonly escrow: Escrow;
  readonly now: Timestamp;
  say(body: EventBody): void;
  decision(): Decision;
}

export { CommandRejected_Code as Code };

export function startDraft(state: Escrow | undefined, context: Context): Draft {
  const events: EventBody[] = [];
  const meta = { escrowId: context.escrowId, occurredAt: context.now, actor: context.actor };
  let current = state;
  return {
    get escrow() {
      return required(current, "the escrow");
    },
    now: context.now,
    say(body) {
      const timed = withTimers(current, body, meta);
      current = evolve(current, timed, meta);
      events.push(timed);
    },
    decision: () => ({ events }),
  };
}

export function reject(code: CommandRejected_Code, detail: string): Decision {
  return { rejected: { code, detail } };
}

export const nothing: Decision = { events: [] };

function withTimers(state: Escrow | undefined, body: EventBody, meta: EventMeta): EventBody {
  // Amended terms move the deadlines themselves; there the decider has set them.
  if (!("timers" in body.value) || body.case === "termsAmended") return body;
  const carried = { ...body.value, timers: state?.timers ?? [] };
  const after = evolve(state, { ...body, value: carried } as EventBody, meta);
  return {
    ...body,
    value: { ...carried, timers: timersAfter(after, meta.occurredAt) },
  } as EventBody;
}
