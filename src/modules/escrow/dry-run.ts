/**
 * What a command would do, decided by the same code on the escrow as it stands, without a lock and
 * without a write.
 */
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "#gen/escrow/v1/commands_pb";
import { CommandRejected_Code, type Event, EventSchema } from "#gen/escrow/v1/events_pb";
import type { Command as PaymentsCommand } from "#gen/payments/v1/commands_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { statusOf as httpStatusOf } from "#platform/http/problem";
import { topics } from "#topics";
import { guardOrder } from "./domain/guards.ts";
import type { Rejection } from "./domain/messages.ts";
import { readPartyDays } from "./party-days.ts";
import type { Preview, PreviewPayments, Texts } from "./preview.ts";
import { readEscrow } from "./store.ts";
import { overdueCommands } from "./timers.ts";
import { decideCommand, type Settings, startWork } from "./work.ts";

export interface DryRunDeps {
  readonly db: Database;
  readonly clock: Clock;
  /** Payments' own pure answer, handed over by roles.ts. */
  readonly previewPayments: PreviewPayments;
  readonly settings: Settings;
}

export function createDryRun({ db, clock, previewPayments, settings }: DryRunDeps) {
  return async (command: Command, texts: Texts): Promise<Preview> => {
    const now = clock.now();
    const stored = await readEscrow(db, command.escrowId);
    const known = new Map(stored ? [[command.escrowId, stored]] : []);
    const received = [{ message: command, at: now }];
    const partyDays = await readPartyDays(db, settings.limits, received, known);
    const work = startWork(known, settings, partyDays);
    for (const due of stored ? overdueCommands(stored.escrow, now) : []) judge(due);
    const before = work.outgoing.length;
    const { rejected } = judge(command).verdict;
    const said = work.outgoing.slice(before);
    const events = said.filter(({ topic }) => topic === topics.escrowEvents);
    const commands = said
      .filter(({ topic }) => topic === topics.paymentsCommands)
      .map(({ message }) => message as PaymentsCommand);
    return {
      wouldSucceed: rejected === undefined,
      ...(rejected && {
        rejection: { code: CommandRejected_Code[rejected.code], detail: rejected.detail },
      }),
      guards: guardsOf(rejected),
      events: events.map(({ message }) =>
        shownOf(toJson(EventSchema, message as Event, { alwaysEmitImplicit: true }), texts),
      ),
      ...previewPayments(commands),
    };

    function judge(asked: Command) {
      return decideCommand(work, asked, timestampFromDate(now));
    }
  };
}

const inner = new Set(["principal", "fingerprint"]);

/** As a caller may see it: his own words, no sealed text and none of what requests are known again by. */
function shownOf(value: JsonValue, texts: Texts): JsonValue {
  if (Array.isArray(value)) return value.map((each) => shownOf(each, texts));
  if (value === null || typeof value !== "object") return value;
  const fields = Object.entries(value).flatMap(([name, each]): [string, JsonValue][] => {
    if (inner.has(name)) return [];
    const sealed = ciphertextOf(each);
    if (sealed === undefined) return [[name, shownOf(each, texts)]];
    const text = texts.get(sealed);
    return text === undefined ? [] : [[name, text]];
  });
  return Object.fromEntries(fields);
}

function ciphertextOf(value: JsonValue): string | undefined {
  if (value === null || typeof value !== "object" || !("ciphertext" in value)) return undefined;
  return String(value.ciphertext);
}

const guardOfStatus: Readonly<Record<number, (typeof guardOrder)[number]>> = {
  404: "exists",
  412: "version",
  409: "state",
  403: "actor",
};

/** What comes after the failing one was not looked at. */
function guardsOf(rejected: Rejection | undefined) {
  if (!rejected) return guardOrder.map((guard) => ({ guard, ok: true }));
  const failing = guardOfStatus[httpStatusOf(CommandRejected_Code[rejected.code])] ?? "rule";
  return guardOrder
    .slice(0, guardOrder.indexOf(failing) + 1)
    .map((guard) => ({ guard, ok: guard !== failing }));
}
