/**
 * The pure core of payments with its books beside it: a sale that is funded, paid out, taken back,
 * one effect list after the other. Balances are those of the ledger's accounts, debit positive.
 */
import { create } from "@bufbuild/protobuf";
import { ActorSchema, MoneySchema } from "#gen/escrow/v1/types_pb";
import {
  type Command,
  CommandSchema,
  InitiateRefundSchema,
  TransferToSellerSchema,
} from "#gen/payments/v1/commands_pb";
import { type Context, decide } from "../../src/modules/payments/domain/decide.ts";
import type { Dispute } from "../../src/modules/payments/domain/dispute.ts";
import { type Effect, postFor } from "../../src/modules/payments/domain/effect.ts";
import { evolveAll } from "../../src/modules/payments/domain/evolve.ts";
import { addFunds, type Funds, noFunds } from "../../src/modules/payments/domain/funds.ts";
import { observe } from "../../src/modules/payments/domain/observe.ts";
import { disputeSeen, whileFrozen } from "../../src/modules/payments/domain/observe-dispute.ts";
import {
  newPayment,
  type Operation,
  type Payment,
} from "../../src/modules/payments/domain/payment.ts";
import { accountName } from "../../src/modules/payments/ledger/accounts.ts";
import { debtWrittenOff } from "../../src/modules/payments/ledger/post-dispute.ts";
import type {
  DisputeMovement,
  ProviderDispute,
  ProviderObject,
} from "../../src/modules/payments/provider.ts";

export const now = new Date("2030-01-01T00:00:00Z");

export type Balances = Record<string, bigint>;

/** What sales of one seller share. */
export interface Books {
  readonly balances: Balances;
  owed: bigint;
}

export function createBooks(): Books {
  return { balances: {}, owed: 0n };
}

export function taken(amount: bigint, fee = 1_500n, movementId = "m1"): DisputeMovement {
  return { movementId, direction: "taken", amount, fee };
}

export function reinstated(amount: bigint, fee = -1_500n, movementId = "m2"): DisputeMovement {
  return { movementId, direction: "reinstated", amount, fee };
}

export interface BankStoryOptions {
  readonly escrowId?: string;
  readonly books?: Books;
  readonly liability?: string;
  readonly currency?: string;
  readonly netCap?: bigint;
}

/** 10000 USD, buyer's fee 320, seller's 50; the provider keeps 329 of 10320. */
export function createBankStory(options: BankStoryOptions = {}) {
  const { escrowId = "e1", books = createBooks(), liability = "SELLER", netCap } = options;
  const { currency = "USD" } = options;
  const operations = new Map<string, Operation>();
  const disputes = new Map<string, Dispute>();
  const said: string[] = [];
  let counted: Funds = noFunds;
  let payment: Payment = newPayment({
    escrowId,
    paymentId: `pay_${escrowId}`,
    buyerId: "alice",
    sellerId: "bob",
    serviceId: "",
    provider: "stripe",
    currency,
    amount: 10_000n,
    buyerFee: 320n,
    sellerFee: 50n,
    chargebackLiability: liability,
    descriptorSuffix: "",
    expiresAt: undefined,
  });

  function take(effects: readonly Effect[]): void {
    payment = evolveAll(payment, effects);
    for (const effect of effects) {
      if (effect.case === "opened" || effect.case === "moved") {
        operations.set(effect.operation.operationId, effect.operation);
      }
      if (effect.case === "netted") books.owed -= effect.amount;
      if (effect.case === "disputed") disputes.set(effect.dispute.disputeId, effect.dispute);
      if (effect.case === "said" && effect.body.case !== "ledgerPosted")
        said.push(effect.body.case);
      if (effect.case === "posted") post(effect);
      if ((effect.case === "said" || effect.case === "posted") && effect.change !== undefined) {
        counted = addFunds(counted, effect.change);
      }
    }
    for (const [name, balance] of Object.entries(books.balances)) {
      const owed = /pending|held|reserved|blocked|payable|suspense/.test(name);
      if (owed && balance > 0n) throw new Error(`${name} is overdrawn by ${balance}`);
      if (name.endsWith(":debt") && balance < 0n) throw new Error(`${name} is ${balance}`);
    }
    const debt = books.balances["seller:bob:debt"] ?? 0n;
    if (debt !== books.owed) throw new Error(`owed is ${books.owed}, in the books ${debt}`);
  }

  function post({ transaction }: Extract<Effect, { case: "posted" }>): void {
    for (const { debit, credit, amount } of transaction.postings) {
      const [to, from] = [accountName(debit, escrowId), accountName(credit, escrowId)];
      books.balances[to] = (books.balances[to] ?? 0n) + amount;
      books.balances[from] = (books.balances[from] ?? 0n) - amount;
    }
  }

  const around = () => ({ now, disputes, operations, owed: books.owed, sellerAccount: "acct_1" });

  function command(body: Command["body"]): void {
    const context: Context = {
      now,
      known: true,
      operations,
      gone: new Map(),
      contradicted: new Set(),
      isTaken: (id) => operations.has(id),
      sellerReady: true,
      sellerAccount: "acct_1",
      debt: books.owed,
      nettable: (net) => (netCap !== undefined && netCap < net ? netCap : net),
      providerKnown: true,
      providerStopped: false,
    };
    const given = create(CommandSchema, { escrowId, actor: create(ActorSchema), body });
    const decision = decide(payment, given, context);
    if (decision.rejected) throw new Error(decision.rejected.detail);
    take(decision.effects);
  }

  function look(object: ProviderObject): void {
    const operation = operations.get(object.operationId);
    const seller = { now, owed: books.owed, sellerAccount: "acct_1" };
    const seen = { now, deposits: new Set<string>(), operation, seller };
    take(whileFrozen(payment, observe(payment, object, seen), around()));
  }

  return {
    books,
    said,
    payment: () => payment,
    /** Without the zeros, the whole of them. */
    funds: () => shown(payment.funds),
    counted: () => shown(counted),
    operations: () => [...operations.values()],
    dispute: (id = "dp_1") => disputes.get(id),
    balance: (name: string) => books.balances[name] ?? 0n,
    pay: (amount = 10_320n, fee = 329n) =>
      look({
        kind: "payment",
        objectId: `pi_${escrowId}`,
        operationId: "",
        status: "succeeded",
        deposits: [{ depositId: `d_${escrowId}_${amount}`, amount, currency }],
        fee,
        lastError: undefined,
        instructions: {},
      }),
    release: (operationId: string, amount = 10_000n, fee = 50n) => {
      counted = addFunds(counted, { held: -amount, reserved: amount });
      const money = create(MoneySchema, { amount, currency });
      const parts = { operationId, sellerId: "bob", amount: money, fee };
      command({ case: "transferToSeller", value: create(TransferToSellerSchema, parts) });
    },
    refund: (operationId: string, amount: bigint, feeReturned: bigint) => {
      counted = addFunds(counted, {
        held: -amount,
        fees: -feeReturned,
        reserved: amount + feeReturned,
      });
      const money = create(MoneySchema, { amount, currency });
      const parts = { operationId, buyerId: "alice", amount: money, feeReturned };
      command({ case: "initiateRefund", value: create(InitiateRefundSchema, parts) });
    },
    /** The call went out and its outcome is not known yet. */
    sent: (operationId: string) => {
      const operation = operations.get(operationId);
      if (operation) operations.set(operationId, { ...operation, state: "SENT", tries: 1 });
    },
    look,
    confirm: (operationId: string, status: "succeeded" | "failed" = "succeeded") => {
      const operation = operations.get(operationId);
      const common = { objectId: `o_${operationId}`, operationId, status };
      switch (operation?.kind) {
        case "REFUND":
          return look({ ...common, kind: "refund", code: "" });
        case "REVERSAL":
          return look({ ...common, kind: "reversal", amount: operation.net });
        default:
          return look({ ...common, kind: "transfer", fee: undefined });
      }
    },
    /** Operators forgive the seller. */
    writeOff: (amount: bigint) =>
      take([
        postFor({ operationId: "w1" }, debtWrittenOff("bob", amount)),
        { case: "netted", partyId: "bob", amount },
      ]),
    /** The bank's dispute as it stands now. */
    bank: (change: Partial<ProviderDispute> = {}, writtenOff = 0n) => {
      const object: ProviderDispute = {
        kind: "dispute",
        objectId: "dp_1",
        paymentRef: `pi_${escrowId}`,
        status: "open",
        amount: 10_320n,
        currency,
        reason: "fraudulent",
        movements: [],
        evidenceDueBy: undefined,
        ...change,
      };
      take(disputeSeen(payment, object, { ...around(), writtenOff }));
    },
  };
}

function shown(funds: Funds): Record<string, bigint> {
  return Object.fromEntries(Object.entries(funds).filter(([, amount]) => amount !== 0n));
}
