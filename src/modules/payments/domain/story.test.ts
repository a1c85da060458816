/**
 * Random stories through the pure core: whatever is asked, answered, lost, repeated or late, the
 * equation holds, and the escrow module, which only adds up what it decided and what it is told,
 * counts the same in the end.
 */
import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ActorSchema, MoneySchema } from "#gen/escrow/v1/types_pb";
import {
  CancelPaymentSchema,
  type Command,
  CommandSchema,
  InitiateRefundSchema,
  TransferToSellerSchema,
} from "#gen/payments/v1/commands_pb";
import type { Outcome, ProviderDispute, ProviderObject, ProviderPayment } from "../provider.ts";
import { sent, wayOf } from "./calls.ts";
import { conclude, mayBeCalled } from "./conclude.ts";
import { type Context, decide } from "./decide.ts";
import type { Dispute } from "./dispute.ts";
import type { Effect } from "./effect.ts";
import { evolveAll } from "./evolve.ts";
import { addFunds, type Funds, noFunds } from "./funds.ts";
import { observe } from "./observe.ts";
import { disputeSeen, whileFrozen } from "./observe-dispute.ts";
import { newPayment, type Operation, type Payment } from "./payment.ts";
import { lookOnly } from "./withdraw.ts";

const terms = {
  escrowId: "esc_1",
  paymentId: "pay_1",
  buyerId: "alice",
  sellerId: "bob",
  serviceId: "",
  provider: "sandbox",
  currency: "USD",
  amount: 10_000n,
  buyerFee: 320n,
  sellerFee: 50n,
  chargebackLiability: "SELLER",
  descriptorSuffix: "",
  expiresAt: undefined,
};

/** One escrow: payments' state, the provider's truth, and the escrow module's own count. */
function createStory() {
  let payment: Payment = newPayment(terms);
  let counted: Funds = noFunds;
  let debt = 600n;
  let now = new Date("2030-01-01T00:00:00Z");
  let asked = 0;
  const operations = new Map<string, Operation>();
  const booked = new Set<string>();
  const deposits: { depositId: string; amount: bigint; currency: string }[] = [];
  /** What the provider did with an operation, once it did. */
  const done = new Map<string, ProviderObject>();
  let ended = false;
  const disputes = new Map<string, Dispute>();
  const banks = new Map<string, ProviderDispute>();
  let payable = 0n;
  const around = () => ({
    now,
    disputes,
    operations,
    owed: debt,
    sellerAccount: "",
    writtenOff: 0n,
  });

  function take(effects: readonly Effect[]): void {
    payment = evolveAll(payment, effects);
    for (const effect of effects) {
      if (effect.case === "opened" || effect.case === "moved") {
        operations.set(effect.operation.operationId, effect.operation);
      }
      if (effect.case === "deposited") booked.add(effect.deposit.depositId);
      if (effect.case === "netted") debt -= effect.amount;
      if (effect.case === "disputed") disputes.set(effect.dispute.disputeId, effect.dispute);
      if (effect.case === "posted") payable += movedTo("seller_payable", effect);
      if ((effect.case === "said" || effect.case === "posted") && effect.change !== undefined) {
        counted = addFunds(counted, effect.change);
      }
    }
    expect(debt).toBeGreaterThanOrEqual(0n);
  }

  function command(body: Command["body"]): void {
    const context: Context = {
      now,
      known: true,
      operations,
      gone: new Map(),
      contradicted: new Set(),
      isTaken: (id) => operations.has(id),
      sellerReady: asked % 7 !== 3,
      sellerAccount: "",
      debt,
      nettable: (net) => net,
      providerKnown: true,
      providerStopped: false,
    };
    const given = create(CommandSchema, { escrowId: "esc_1", actor: create(ActorSchema), body });
    const decision = decide(payment, given, context);
    if (decision.effects !== undefined) take(decision.effects);
  }

  const paymentNow = (): ProviderPayment => ({
    kind: "payment",
    objectId: "sbx_1",
    operationId: "op",
    status: ended ? "cancelled" : "requires_payment",
    deposits: [...deposits],
    fee: deposits.length > 0 ? 329n : undefined,
    lastError: undefined,
    instructions: {},
  });

  function look(object: ProviderObject): void {
    const operation = operations.get(object.operationId);
    const seller = { now, owed: debt, sellerAccount: "" };
    const effects = observe(payment, object, { now, deposits: booked, operation, seller });
    take(whileFrozen(payment, effects, around()));
  }

  /** What the provider answers; it may do it and lose the answer. */
  function answerTo(operation: Operation, fate: string): Outcome<ProviderObject | undefined> {
    const { kind, operationId } = operation;
    const there = done.get(operationId);
    if (wayOf(operation, now) === "lookup") return { kind: "succeeded", value: there };
    if (fate === "busy") return { kind: "retry", afterMs: 10 };
    if (there === undefined && fate === "refused") {
      return { kind: "refused", code: "PROVIDER_REFUSED", detail: "" };
    }
    const lost = { kind: "unknown", replayed: fate === "replayed", detail: "" } as const;
    if (fate === "replayed" || fate === "dropped") return lost;
    if (kind === "CREATE_PAYMENT" || kind === "CANCEL_PAYMENT") {
      ended ||= kind === "CANCEL_PAYMENT";
      return { kind: "succeeded", value: { ...paymentNow(), operationId } };
    }
    const fresh = { objectId: `o_${operationId}`, operationId, status: "pending" } as const;
    const made: ProviderObject = there ?? madeBy(operation, fresh);
    done.set(operationId, made);
    return fate === "lost" ? lost : { kind: "succeeded", value: made };
  }

  function call(fate: string): void {
    for (const { operationId } of [...operations.values()]) {
      const operation = operations.get(operationId);
      if (operation === undefined) continue;
      const open = ["READY", "SENT", "UNKNOWN", "LOOKUP"].includes(operation.state);
      if (!open || (operation.dueAt ?? now) > now || !mayBeCalled(payment, operation)) continue;
      const gated = lookOnly(payment, operation);
      const way = wayOf(gated, now);
      const outcome = answerTo(gated, fate);
      const claimed = sent(gated, now);
      operations.set(operation.operationId, claimed);
      const seller = { now, owed: debt, sellerAccount: "" };
      const seen = { now, deposits: booked, seller };
      const effects = conclude(payment, claimed, { way, outcome, durationMs: 1 }, seen);
      take(whileFrozen(payment, effects, around()));
    }
  }

  return {
    payment: () => payment,
    counted: () => counted,
    operations,
    done,
    /** What the buyer's bank sent, whatever we made of it. */
    arrived: () => deposits.reduce((sum, { amount }) => sum + amount, 0n),
    call,
    wait: (ms: number) => {
      now = new Date(now.getTime() + ms);
    },
    pay: (amount: bigint) => {
      deposits.push({ depositId: `d${deposits.length}`, amount, currency: "USD" });
    },
    look: () => {
      if (payment.providerRef !== undefined) look(paymentNow());
    },
    /** The provider confirms, or a refund fails; told any number of times. */
    confirm: (times: number, fails: boolean) => {
      for (const [id, object] of done) {
        if (object.kind === "payment") continue;
        const failed = fails && object.kind === "refund" && object.status === "pending";
        const status = failed
          ? "failed"
          : object.status === "pending"
            ? "succeeded"
            : object.status;
        const next = { ...object, status } as ProviderObject;
        done.set(id, next);
        for (let time = 0; time < times; time += 1) look(next);
      }
    },
    disputes,
    payable: () => payable,
    /** A bank takes money for the nth dispute, gives it back, or says its last word. */
    bank: (n: number, what: "take" | "return" | "word", amount: bigint, won: boolean) => {
      if (payment.providerRef === undefined || deposits.length === 0) return;
      const objectId = `dp_${n}`;
      const old = banks.get(objectId) ?? newBank(objectId, amount);
      const movements = [...old.movements];
      const id = `${objectId}_${movements.length}`;
      const gone = movements.reduce(
        (sum, m) => sum + (m.direction === "taken" ? m.amount : -m.amount),
        0n,
      );
      if (what === "take") {
        movements.push({ movementId: id, direction: "taken", amount, fee: 15n });
      } else if (gone > 0n && (what === "return" || won)) {
        const back = what === "word" || amount > gone ? gone : amount;
        movements.push({ movementId: id, direction: "reinstated", amount: back, fee: 0n });
      }
      const word = won ? "won" : "lost";
      const next = { ...old, movements, status: what === "word" ? word : "open" } as const;
      banks.set(objectId, next);
      take(disputeSeen(payment, next, around()));
    },
    verdicts: () => [...banks.keys()],
    cancel: () => command({ case: "cancelPayment", value: create(CancelPaymentSchema) }),
    release: (wish: bigint, over: boolean) => {
      asked += 1;
      const amount = wish < counted.held || over ? wish : counted.held;
      if (amount === 0n || amount > counted.held) return;
      counted = addFunds(counted, { held: -amount, reserved: amount });
      const operationId = `t${asked}`;
      const money = create(MoneySchema, { amount, currency: "USD" });
      const fee = (amount * 50n) / 10_000n;
      const parts = { operationId, sellerId: "bob", amount: money, fee };
      command({ case: "transferToSeller", value: create(TransferToSellerSchema, parts) });
    },
    refund: (wish: bigint) => {
      asked += 1;
      const amount = wish < counted.held ? wish : counted.held;
      const feeReturned = counted.fees < 10n ? counted.fees : 10n;
      if (amount === 0n) return;
      counted = addFunds(counted, {
        held: -amount,
        fees: -feeReturned,
        reserved: amount + feeReturned,
      });
      const money = create(MoneySchema, { amount, currency: "USD" });
      const parts = { operationId: `r${asked}`, buyerId: "alice", amount: money, feeReturned };
      command({ case: "initiateRefund", value: create(InitiateRefundSchema, parts) });
    },
    open: () => {
      const context: Context = {
        now,
        known: false,
        operations,
        gone: new Map(),
        contradicted: new Set(),
        isTaken: () => false,
        sellerReady: true,
        sellerAccount: "",
        debt,
        nettable: (net) => net,
        providerKnown: true,
        providerStopped: false,
      };
      const given = create(CommandSchema, { body: { case: "createPaymentIntent", value: {} } });
      take(decide(payment, given, context).effects ?? []);
    },
  };
}

function newBank(objectId: string, amount: bigint): ProviderDispute {
  return {
    kind: "dispute",
    objectId,
    paymentRef: "sbx_1",
    status: "open",
    amount,
    currency: "USD",
    reason: "",
    movements: [],
    evidenceDueBy: undefined,
  };
}

function madeBy(
  { kind, net }: Operation,
  fresh: { objectId: string; operationId: string; status: "pending" },
): ProviderObject {
  switch (kind) {
    case "REVERSAL":
      return { ...fresh, kind: "reversal", status: "succeeded", amount: net };
    case "REFUND":
      return { ...fresh, kind: "refund", code: "" };
    default:
      return { ...fresh, kind: "transfer", fee: undefined };
  }
}

/** Credits less debits. */
function movedTo(kind: string, { transaction }: Extract<Effect, { case: "posted" }>): bigint {
  return transaction.postings.reduce((sum, { debit, credit, amount }) => {
    const to = credit.kind === kind ? amount : 0n;
    return sum + to - (debit.kind === kind ? amount : 0n);
  }, 0n);
}

const fates = ["done", "done", "lost", "dropped", "busy", "refused", "replayed"];
const step = fc.record({
  what: fc.constantFrom(
    ...(["pay", "look", "call", "confirm", "release", "refund", "cancel", "wait"] as const),
    ...(["take", "return", "word"] as const),
  ),
  which: fc.integer({ min: 1, max: 2 }),
  amount: fc.bigInt({ min: 1n, max: 11_000n }),
  fate: fc.constantFrom(...fates),
  flag: fc.boolean(),
});

describe("random stories", () => {
  test("G3, L4, R3, R4: the equation holds and both modules count the same", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
        const story = createStory();
        story.open();
        story.call("done");
        for (const { what, amount, fate, flag, which } of steps) {
          if (what === "take" || what === "return" || what === "word") {
            story.bank(which, what, amount, flag);
          }
          if (what === "pay") story.pay(flag ? 10_320n : amount);
          if (what === "look") story.look();
          if (what === "call") story.call(fate);
          if (what === "confirm") story.confirm(flag ? 2 : 1, fate === "refused");
          if (what === "release") story.release(amount, flag);
          if (what === "refund") story.refund(amount);
          if (what === "cancel" && flag && fate === "lost") story.cancel();
          if (what === "wait") story.wait(fate === "lost" ? 21 * 3_600_000 : 20 * 60_000);
        }
        // Quiet again: what can end has ended, each bank has said its last word.
        for (const id of story.verdicts())
          story.bank(Number(id.slice(3)), "word", 1n, id === "dp_1");
        for (let round = 0; round < 12; round += 1) {
          story.look();
          story.call("done");
          story.confirm(2, false);
          story.wait(21 * 60_000);
        }
        const { funds } = story.payment();
        expect(story.counted()).toEqual(funds);
        const open = [...story.operations.values()].filter(({ state }) =>
          ["READY", "SENT", "UNKNOWN", "LOOKUP", "PENDING"].includes(state),
        );
        expect(open).toEqual([]);
        const owed = [...story.operations.values()]
          .filter(({ kind, state }) => kind === "REFUND" && state === "FAILED")
          .reduce((sum, { net }) => sum + net, 0n);
        expect(funds.reserved).toBe(owed);
        expect(funds.funded).toBe(story.arrived());
        expect(story.payment().frozen).toBe(false);
        const failed = [...story.operations.values()].filter(
          ({ kind, state }) => kind === "RETRANSFER" && state === "FAILED",
        );
        expect(story.payable()).toBe(failed.reduce((sum, { net }) => sum + net, 0n));
        for (const { open } of story.disputes.values()) expect(open).toBe(0n);
        // The provider did exactly what we booked: no transfer of a refused operation, none twice.
        for (const [id, object] of story.done) {
          if (object.kind === "payment") continue;
          const state = story.operations.get(id)?.state ?? "";
          // One that failed may have been withdrawn when a bank took the money it was about.
          const states = object.status === "succeeded" ? ["SUCCEEDED"] : ["FAILED", "WITHDRAWN"];
          expect(states).toContain(state);
        }
      }),
      { numRuns: 400 },
    );
  });
});
