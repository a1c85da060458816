// T3, pitfall 27: a person's command and a deadline's own, in every order and cut into any batches.
// What the log received at or before the deadline wins; what came later meets the deadline's effect.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { type Command, CommandSchema } from "#gen/escrow/v1/commands_pb";
import { Timer_Kind } from "#gen/escrow/v1/types_pb";
import { required } from "#kernel/assert";
import { sha256Hex } from "#kernel/ids";
import type { Database } from "#platform/database/database";
import { migrate } from "#platform/database/migrate";
import { loadMigrations } from "#platform/database/migration-files";
import type { Batch, Incoming } from "#platform/messaging/handler";
import { freshPglite } from "../../../test/support/databases.ts";
import * as s from "../../../test/support/escrow-steps.ts";
import { play, stateName } from "../../../test/support/given.ts";
import { dealRules } from "../../settings/deal-rules.ts";
import type { CommandBody } from "./domain/messages.ts";
import { sandboxOnly } from "./domain/routing.ts";
import { decidingHandlers } from "./handle.ts";
import { readEscrow, saveBatch } from "./store.ts";
import { overdueCommands } from "./timers.ts";

setDefaultTimeout(60_000);

let db: Database;
beforeAll(async () => {
  db = await freshPglite();
  const { modules, templates } = await loadMigrations();
  await migrate(db, [
    { name: "escrow", schema: "escrow", templates, migrations: modules.get("escrow") ?? [] },
  ]);
});
afterAll(() => db.close());

const { buyer, seller } = s;
const accepted = [s.createEscrow({ by: buyer }), s.acceptTerms({ by: seller })];
const funded = [...accepted, s.deposit(10_320n), s.paymentSucceeded()];
const delivered = [...funded, s.markDelivered({ by: seller })];
const disputed = [...delivered, s.raiseDispute({ by: buyer })];

interface Race {
  readonly deadline: keyof typeof Timer_Kind;
  readonly history: readonly s.StepAt[];
  readonly person: s.Step;
  /** The state when the person was in time, and when not. */
  readonly inTime: string;
  readonly late: string;
}

const races: readonly Race[] = [
  {
    deadline: "AUTO_RELEASE",
    history: delivered,
    person: s.raiseDispute({ by: buyer }),
    inTime: "DISPUTED",
    late: "RELEASING",
  },
  {
    deadline: "AUTO_RELEASE",
    history: delivered,
    person: s.refundEscrow({ by: seller }),
    inTime: "REFUNDING",
    late: "RELEASING",
  },
  {
    deadline: "DELIVERY",
    history: funded,
    person: s.markDelivered({ by: seller }),
    inTime: "DELIVERED",
    late: "REFUNDING",
  },
  {
    deadline: "ARBITER",
    history: disputed,
    person: s.withdrawDispute({ by: buyer }),
    inTime: "DELIVERED",
    late: "REFUNDING",
  },
];

const settings = { ...dealRules({}), routing: sandboxOnly };
let runs = 0;

interface Arrival {
  /** Milliseconds from the deadline to when the log received the person's command. */
  readonly personMs: number;
  /** The same of the deadline's own command, which leaves five seconds late; it may come twice. */
  readonly timerMs: readonly number[];
  /** Bit n: a batch ends after message n. */
  readonly cuts: number;
}

const arrivals: fc.Arbitrary<Arrival> = fc.record({
  personMs: fc.oneof(fc.integer({ min: -3_000, max: 12_000 }), fc.constantFrom(-1, 0, 1)),
  timerMs: fc.array(fc.integer({ min: 5_000, max: 11_000 }), { maxLength: 2 }),
  cuts: fc.nat(7),
});

test.each(races.map((race) => [`${race.deadline} and ${race.person.name}`, race] as const))(
  "T3: between %s the log's time decides, however late and often they arrive",
  async (_, race) => {
    await fc.assert(
      fc.asyncProperty(arrivals, (arrival) => holds(race, arrival)),
      { numRuns: 60, examples: [[{ personMs: 0, timerMs: [5_000], cuts: 0 }]] },
    );
  },
);

async function holds(race: Race, { personMs, timerMs, cuts }: Arrival): Promise<void> {
  runs += 1;
  const escrowId = `esc_${runs}`;
  const escrow = { ...play(...race.history), escrowId };
  const timer = escrow.timers.find(({ kind }) => Timer_Kind[kind] === race.deadline);
  const due = timestampDate(required(timer?.dueAt, "the deadline"));
  const at = (ms: number) => new Date(due.getTime() + ms);
  await store(escrow, due);
  const person = commandOf(escrowId, race.person);
  const own = required(overdueCommands(escrow, at(1))[0], "the deadline's command");
  const received = [
    incoming(person, at(personMs)),
    ...timerMs.map((ms) => incoming(own, at(ms))),
  ].sort((a, b) => a.appendedAt.getTime() - b.appendedAt.getTime());
  for (const batch of cut(received, cuts)) {
    await db.withTx(async (tx) => {
      await decidingHandlers(settings).commands(tx, batchOf(batch));
    });
  }

  const inTime = personMs <= 0;
  const stored = required(await readEscrow(db, escrowId), "the escrow");
  expect(stateName(stored.escrow)).toBe(inTime ? race.inTime : race.late);
  const outcomes = await db.sql<{ command_id: string; refused: boolean }>`
    SELECT command_id, rejection IS NOT NULL AS refused FROM escrow.command_outcome
    WHERE escrow_no = ${stored.no}`;
  const refused = new Map(outcomes.map((row) => [row.command_id, row.refused]));
  expect(refused.get(person.commandId)).toBe(!inTime);
  // However often it came, the deadline's command has one outcome, and never a refusal.
  expect(refused.get(own.commandId) ?? false).toBe(false);
  expect(stored.escrow.operations.length).toBeLessThanOrEqual(1);
}

async function store(escrow: ReturnType<typeof play>, at: Date): Promise<void> {
  const { escrowId } = escrow;
  const change = { escrowId, stored: undefined, escrow, seenPayments: 0n, events: [], at };
  const nothing = { stored: new Map(), outcomes: [], conflicts: [] };
  await db.withTx((tx) => saveBatch(tx, { ...nothing, changes: [change] }));
}

function commandOf(escrowId: string, { input, actor }: s.Step): Command {
  const commandId = sha256Hex(`${escrowId} person`);
  return create(CommandSchema, { commandId, escrowId, actor, body: input as CommandBody });
}

function incoming(message: Command, appendedAt: Date): Incoming<Command> {
  const { commandId: messageId, escrowId: key } = message;
  const place = { topic: "", partition: 0, offset: 0n, messageType: "" };
  return { ...place, message, messageId, key, appendedAt, headers: {}, correlationId: "c" };
}

function cut<T>(messages: readonly T[], cuts: number): T[][] {
  const batches: T[][] = [[]];
  for (const [index, message] of messages.entries()) {
    batches.at(-1)?.push(message);
    if ((cuts >> index) & 1) batches.push([]);
  }
  return batches.filter((batch) => batch.length > 0);
}

function batchOf(messages: readonly Incoming<Command>[]): Batch<Command> {
  return { messages, each: (decide) => messages.forEach(decide) };
}
