/**
 * Decides the commands of payments.commands.v1, a batch in one transaction. Every command has one
 * outcome for ever; money is reserved under the root's lock, so what was promised once cannot be
 * promised again.
 */

import { Actor_Kind } from "#gen/escrow/v1/types_pb";
import { type Command, CommandSchema } from "#gen/payments/v1/commands_pb";
import type { Clock } from "#platform/clock";
import type { Tx } from "#platform/database/database";
import { defineHandler, type HandlerDeclaration, type Incoming } from "#platform/messaging/handler";
import { bodyTypeOf } from "#platform/messaging/topic";
import { topics } from "#topics";
import { loadAllGone } from "./deposits.ts";
import { type Context, decide, termsOf } from "./domain/decide.ts";
import type { Effect } from "./domain/effect.ts";
import { debtKey, nettableOf, sellersDebt } from "./domain/netting.ts";
import { type Gone, newPayment, type Operation } from "./domain/payment.ts";
import { createJournal, type Journal, type Root } from "./journal.ts";
import type { Providers } from "./provider.ts";
import { createReviewDesk, isReviewCommand, type ReviewDesk } from "./screening/review-desk.ts";
import {
  createProviderDesk,
  isProviderCommand,
  objectsNamed,
  type ProviderDesk,
} from "./stops/provider-desk.ts";
import { stopsOf } from "./stops/provider-stops.ts";
import {
  drawEscrowNos,
  knownCommands,
  loadContradicted,
  loadOperations,
  loadReadiness,
  lockDebts,
  lockRoots,
  operationsByEscrow,
  type Receiver,
  unique,
} from "./store.ts";
import { lockUnmatched } from "./webhooks/unmatched.ts";

export interface CommandHandlerOptions {
  readonly clock: Clock;
  readonly providers: Providers;
  /** Of what a release would pay a seller, at most this part is kept against his debt; 100 unless said. */
  readonly nettingPercent?: number | undefined;
}

/** What the batch's commands are judged by; moves on with each decision. */
interface Loaded {
  readonly now: Date;
  readonly roots: Map<string, Root>;
  readonly freshNos: bigint[];
  /** The fingerprint of each command that has its outcome. */
  readonly known: Map<string, string>;
  readonly operations: Map<string, Map<string, Operation>>;
  readonly gone: ReadonlyMap<string, Gone>;
  readonly contradicted: ReadonlySet<string>;
  readonly debts: Map<string, bigint>;
  readonly readiness: ReadonlyMap<string, Receiver>;
  readonly desk: ProviderDesk;
  readonly reviews: ReviewDesk;
}

export function createCommandHandler(options: CommandHandlerOptions): HandlerDeclaration<Command> {
  const { clock } = options;
  return defineHandler({
    name: "payments.commands",
    topic: topics.paymentsCommands,
    // The escrow asks once and then waits for the fact; a person can ask again.
    indispensable: ({ actor }) => actor?.kind === Actor_Kind.SYSTEM,
    handleBatch: async (tx, batch) => {
      const now = clock.now();
      const loaded = await load(tx, batch.messages, now, options.providers);
      const journal = createJournal({ now });
      batch.each((incoming) => handle(incoming, loaded, journal, options));
      await journal.write(tx);
      return [...journal.outgoing, ...(await loaded.desk.write(tx, journal.notices))];
    },
  });
}

async function load(
  tx: Tx,
  messages: readonly Incoming<Command>[],
  now: Date,
  providers: Providers,
): Promise<Loaded> {
  const commands = messages.map(({ message }) => message);
  const transfers = commands.some(({ body }) => body.case === "transferToSeller");
  const forgives = commands.some(({ body }) => body.case === "writeOffDebt");

  // Locks, in CONTRIBUTING's order: objects, roots, sellers' debts (the review desk's below are debts).
  const unmatched = await lockUnmatched(tx, objectsNamed(commands));
  const escrowIds = commands.map(({ escrowId }) => escrowId);
  const roots = await lockRoots(tx, escrowIds);
  const sellers = [...roots.values()].map(({ payment }) => payment.sellerId);
  const debts = transfers || forgives ? await lockDebts(tx, sellers) : new Map();

  const creations = commands.filter(
    ({ body, escrowId }) => body.case === "createPaymentIntent" && !roots.has(escrowId),
  );
  const fresh = unique(creations.map(({ escrowId }) => escrowId));
  const commandIds = commands.map(({ commandId }) => commandId);
  const nos = [...roots.values()].map(({ escrowNo }) => escrowNo);
  const operations = await loadOperations(tx, operationIdsOf(commands));
  const stops = transfers || commands.some(isProviderCommand) ? await stopsOf(tx) : new Map();
  return {
    now,
    roots,
    freshNos: await drawEscrowNos(tx, fresh.length),
    known: await knownCommands(tx, commandIds, nos),
    operations: operationsByEscrow(operations.values()),
    gone: await loadAllGone(tx, operations.values()),
    contradicted: await loadContradicted(tx, [...operations.keys()]),
    debts,
    readiness: transfers ? await loadReadiness(tx, [...roots.keys()]) : new Map(),
    desk: createProviderDesk({ now, providers, stopped: new Set(stops.keys()), unmatched }),
    reviews: await createReviewDesk(tx, commands, roots, now),
  };
}

function operationIdsOf(commands: readonly Command[]): string[] {
  return commands.flatMap(({ body }) =>
    body.value !== undefined && "operationId" in body.value ? [body.value.operationId] : [],
  );
}

function handle(
  { message: command, correlationId, appendedAt, headers }: Incoming<Command>,
  loaded: Loaded,
  journal: Journal,
  options: CommandHandlerOptions,
): void {
  const { commandId, escrowId, fingerprint } = command;
  const first = loaded.known.get(commandId);
  if (first !== undefined) {
    if (first !== fingerprint) journal.conflict({ commandId, fingerprint, at: appendedAt });
    return;
  }
  const cause = {
    correlationId: command.correlationId || correlationId,
    causationId: commandId,
    traceparent: headers.traceparent,
  };
  const type = bodyTypeOf(CommandSchema, command);
  const identity = { commandId, escrowId, fingerprint, actorId: command.actor?.id ?? "", type };
  const root = loaded.roots.get(escrowId) ?? newRoot(command, loaded);
  if (isProviderCommand(command)) {
    const refused = loaded.desk.decide(command, identity, cause);
    journal.outcome(identity, undefined, refused, cause);
  } else if (root === undefined) {
    const rejected = { code: "NOT_FOUND", detail: "the escrow has no payment" } as const;
    journal.outcome(identity, undefined, rejected, cause);
  } else {
    const { effects, rejected } = isReviewCommand(command)
      ? loaded.reviews.decide(root, command)
      : decide(root.payment, command, contextOf(root, loaded, options));
    if (effects !== undefined) {
      journal.apply(root, effects, cause);
      loaded.roots.set(escrowId, root);
      track(root, effects, loaded);
    }
    const there = loaded.roots.get(escrowId);
    journal.outcome(identity, there, rejected, cause);
  }
  loaded.known.set(commandId, fingerprint);
}

/** Drawn numbers that are not used leave a hole, which nobody minds. */
function newRoot({ body, escrowId }: Command, { freshNos, now }: Loaded): Root | undefined {
  if (body.case !== "createPaymentIntent") return undefined;
  const escrowNo = freshNos.pop();
  if (escrowNo === undefined) return undefined;
  const payment = newPayment(termsOf(escrowId, body.value));
  return { escrowNo, createdAt: now, stored: false, payment };
}

function contextOf(
  root: Root,
  loaded: Loaded,
  { providers, nettingPercent }: CommandHandlerOptions,
): Context {
  const { payment } = root;
  const provider = providers.get(payment.provider);
  const receiver = loaded.readiness.get(payment.escrowId);
  return {
    now: loaded.now,
    known: loaded.roots.has(payment.escrowId),
    operations: loaded.operations.get(payment.escrowId) ?? new Map(),
    gone: loaded.gone,
    contradicted: loaded.contradicted,
    isTaken: (id) => [...loaded.operations.values()].some((operations) => operations.has(id)),
    sellerReady: receiver?.ready ?? provider?.describe().readyByDefault(payment.sellerId) ?? false,
    sellerAccount: receiver?.account ?? "",
    nettable: nettableOf(nettingPercent),
    debt: loaded.debts.get(sellersDebt(payment)) ?? 0n,
    providerKnown: provider !== undefined,
    providerStopped: loaded.desk.isStopped(payment.provider),
  };
}

/** The next command of the batch sees what this one did. */
function track(root: Root, effects: readonly Effect[], loaded: Loaded): void {
  const { payment } = root;
  loaded.reviews.track(root, effects);
  const operations = loaded.operations.get(payment.escrowId) ?? new Map<string, Operation>();
  loaded.operations.set(payment.escrowId, operations);
  for (const effect of effects) {
    if (effect.case === "opened" || effect.case === "moved") {
      operations.set(effect.operation.operationId, effect.operation);
    }
    if (effect.case === "netted") {
      const key = debtKey(effect.partyId, payment.currency);
      loaded.debts.set(key, (loaded.debts.get(key) ?? 0n) - effect.amount);
    }
  }
}
