/**
 * One escrow and a small model of payments beside it, joined by two queues: commands and facts
 * cross on their way as they do in the log. The model keeps its own books, so that both can be
 * compared once the queues are empty.
 */
import { create } from "@bufbuild/protobuf";
import type * as T from "#gen/escrow/v1/types_pb";
import * as P from "#gen/payments/v1/events_pb";
import { addMs } from "#kernel/duration";
import type { EventBody, PaymentsCommandBody } from "../../src/modules/escrow/domain/messages.ts";
import { react } from "../../src/modules/escrow/domain/react.ts";
import { overdueTimers, timerCommand } from "../../src/modules/escrow/domain/timers.ts";
import * as s from "./escrow-steps.ts";
import { decideStep, type Expectation, fold, outcome, stepOn } from "./given.ts";

type Part = Exclude<keyof T.Funds, "$typeName" | "$unknown">;
type Moved = Partial<Record<Part, bigint>>;

interface Sent {
  readonly operationId: string;
  readonly release: boolean;
  readonly amount: bigint;
  readonly fee: bigint;
  confirmed: boolean;
}

export interface World {
  escrow: T.Escrow | undefined;
  readonly books: Record<Part, bigint>;
  readonly history: { step: s.Step; body: EventBody }[];
  /** A person's command or a lone fact, judged at once. */
  ask(at: s.StepAt): Expectation;
  /** The next command reaches payments. */
  pay(): void;
  /** The next fact reaches the escrow. */
  learn(): void;
  deposit(): void;
  conclude(pick: number, how: "succeed" | "refuse" | "fail"): void;
  bankTakes(percent: bigint): void;
  bankCloses(won: boolean): void;
  block(): void;
  pass(ms: bigint): void;
  /** Nothing is on its way any more. */
  drain(): void;
}

const parts = "funded pending held reserved released refunded fees chargedBack blocked".split(" ");

export function createWorld(): World {
  const books = Object.fromEntries(parts.map((part) => [part, 0n])) as Record<Part, bigint>;
  const history: World["history"] = [];
  const commands: PaymentsCommandBody[] = [];
  const facts: s.Step[] = [];
  const operations: Sent[] = [];
  const taken: { id: string; held: bigint; fees: bigint }[] = [];
  const paid = { open: false, cancelled: false, done: false };
  let hit: Moved | undefined;
  let now = s.start;
  let disputes = 0;

  function book(moved: Moved): void {
    for (const part of Object.keys(moved) as Part[]) books[part] += moved[part] ?? 0n;
  }
  /** Says a fact with what it moved, and moves it; `undone` says what only the escrow had moved. */
  function say(input: s.Step["input"], moved: Moved = {}, undone = false): void {
    if (!undone) book(moved);
    facts.push(s.fact(input, moved));
  }
  function judge(step: s.Step): Expectation {
    const timed = { ...step, now };
    const decision = decideStep(world.escrow, timed);
    for (const body of "events" in decision ? decision.events : []) {
      const before = world.escrow;
      world.escrow = fold(before, timed, [body]);
      history.push({ step: timed, body });
      if (world.escrow) commands.push(...react(before, body, world.escrow));
    }
    return outcome(decision);
  }

  function transfer(operationId: string, amount: bigint, fee: bigint) {
    if (taken.length > 0 || hit || books.held < amount) {
      const value = create(P.TransferRejectedSchema, { operationId, code: "FUNDS_UNAVAILABLE" });
      return say({ case: "transferRejected", value }, { reserved: -amount, held: amount }, true);
    }
    book({ held: -amount, reserved: amount });
    operations.push({ operationId, release: true, amount, fee, confirmed: false });
  }
  function refund(operationId: string, amount: bigint, fee: bigint) {
    if (taken.length > 0 || hit || books.held < amount || books.fees < fee) {
      const value = create(P.RefundRejectedSchema, { operationId, code: "FUNDS_UNAVAILABLE" });
      const undone = { reserved: -(amount + fee), held: amount, fees: fee };
      return say({ case: "refundRejected", value }, undone, true);
    }
    book({ held: -amount, fees: -fee, reserved: amount + fee });
    operations.push({ operationId, release: false, amount, fee, confirmed: false });
  }
  function unblock(): void {
    if (!hit) return;
    const back = Object.fromEntries(Object.entries(hit).map(([part, by]) => [part, -by]));
    hit = undefined;
    const value = create(P.FundsUnblockedSchema, { reference: "hit_1" });
    say({ case: "fundsUnblocked", value }, back as Moved);
  }

  const world: World = {
    escrow: undefined,
    books,
    history,
    ask(at) {
      for (const timer of world.escrow ? overdueTimers(world.escrow, now) : []) {
        judge({ input: timerCommand(timer), actor: s.system, name: "timer" });
      }
      return judge(stepOn(world.escrow, at));
    },
    pay() {
      const command = commands.shift();
      switch (command?.case) {
        case "createPaymentIntent":
          paid.open = true;
          break;
        case "cancelPayment":
          paid.cancelled = true;
          break;
        case "transferToSeller":
          transfer(
            command.value.operationId,
            command.value.amount?.amount ?? 0n,
            command.value.fee,
          );
          break;
        case "initiateRefund": {
          const { operationId, amount, feeReturned } = command.value;
          refund(operationId, amount?.amount ?? 0n, feeReturned);
          break;
        }
        case "decideReview":
          unblock();
          break;
        default:
      }
    },
    learn() {
      const fact = facts.shift();
      if (fact) judge(fact);
    },
    deposit() {
      if (!paid.open || paid.done) return;
      paid.done = true;
      const terms = world.escrow?.terms;
      const amount = terms?.amount?.amount ?? 0n;
      const fee = terms?.buyerFee ?? 0n;
      const all = amount + fee;
      const value = create(P.DepositReceivedSchema, { depositId: "dep", amount: all });
      say({ case: "depositReceived", value }, { funded: all, pending: all });
      if (paid.cancelled) {
        const posted = create(P.LedgerPostedSchema, { reason: "late" });
        return say({ case: "ledgerPosted", value: posted }, { pending: -all, refunded: all });
      }
      const succeeded = create(P.PaymentSucceededSchema, { paymentId: "pay_1" });
      const moved = { pending: -all, held: amount, fees: fee };
      say({ case: "paymentSucceeded", value: succeeded }, moved);
    },
    conclude(pick, how) {
      const operation = operations[pick % Math.max(operations.length, 1)];
      if (!operation) return;
      if (operation.release) concludeTransfer(operation, how);
      else concludeRefund(operation, how);
    },
    bankTakes(percent) {
      const held = (books.held * percent) / 100n;
      const fees = (books.fees * percent) / 100n;
      disputes += 1;
      const id = `dp_${disputes}`;
      taken.push({ id, held, fees });
      const value = create(P.ChargebackOpenedSchema, { disputeId: id, amount: held + fees });
      const moved = { held: -held, fees: -fees, chargedBack: held + fees };
      say({ case: "chargebackOpened", value }, moved);
    },
    bankCloses(won) {
      const dispute = taken.shift();
      if (!dispute) return;
      const { id, held, fees } = dispute;
      const value = create(P.ChargebackClosedSchema, { disputeId: id, won });
      const moved = won ? { held, fees, chargedBack: -(held + fees) } : {};
      say({ case: "chargebackClosed", value }, moved);
    },
    block() {
      if (hit || !paid.open) return;
      const { held, fees, pending } = books;
      hit = { held: -held, fees: -fees, pending: -pending, blocked: held + fees + pending };
      const value = create(P.FundsBlockedSchema, { reference: "hit_1" });
      say({ case: "fundsBlocked", value }, hit);
    },
    pass(ms) {
      now = addMs(now, ms);
    },
    drain() {
      while (facts.length + commands.length > 0) {
        world.learn();
        world.pay();
      }
    },
  };
  return world;

  function concludeTransfer(operation: Sent, how: "succeed" | "refuse" | "fail") {
    const { operationId, amount, fee } = operation;
    operations.splice(operations.indexOf(operation), 1);
    if (how === "succeed") {
      const value = create(P.TransferSucceededSchema, { operationId, net: amount - fee, fee });
      const moved = { reserved: -amount, released: amount - fee, fees: fee };
      return say({ case: "transferSucceeded", value }, moved);
    }
    const value = create(P.TransferRejectedSchema, { operationId, code: "SELLER_NOT_READY" });
    return say({ case: "transferRejected", value }, { reserved: -amount, held: amount });
  }

  function concludeRefund(operation: Sent, how: "succeed" | "refuse" | "fail") {
    const { operationId, amount, fee, confirmed } = operation;
    const all = amount + fee;
    if (how === "succeed" && !confirmed) {
      operation.confirmed = true;
      const value = create(P.RefundSucceededSchema, { operationId, amount: all });
      return say({ case: "refundSucceeded", value }, { reserved: -all, refunded: all });
    }
    if (how === "fail") {
      operation.confirmed = false;
      const value = create(P.RefundFailedSchema, { operationId, afterConfirmation: confirmed });
      const moved = confirmed ? { refunded: -all, reserved: all } : {};
      return say({ case: "refundFailed", value }, moved);
    }
    if (confirmed) return;
    operations.splice(operations.indexOf(operation), 1);
    const value = create(P.RefundRejectedSchema, { operationId, code: "LOCKED" });
    const moved = { reserved: -all, held: amount, fees: fee };
    return say({ case: "refundRejected", value }, moved);
  }
}
