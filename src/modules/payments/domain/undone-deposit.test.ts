/** What is said of a deposit of another asset that is gone again. */
import { expect, test } from "bun:test";
import type { UndoneDeposit } from "../provider.ts";
import { newPayment } from "./payment.ts";
import { depositUndoneSeen } from "./undone-deposit.ts";

const payment = newPayment({
  escrowId: "esc_1",
  paymentId: "pay_1",
  buyerId: "alice",
  sellerId: "bob",
  serviceId: "",
  provider: "custodian",
  currency: "USDC",
  amount: 1_000n,
  buyerFee: 0n,
  sellerFee: 0n,
  chargebackLiability: "SELLER",
  descriptorSuffix: "",
  expiresAt: undefined,
});

const deposit = { depositId: "dep_1", amount: 700n, currency: "USDBC" };
const gone: UndoneDeposit = {
  kind: "deposit_undone",
  objectId: "rev_1",
  paymentRef: "dpa_1",
  ...deposit,
};

test("the event names the other asset, whose units the amount is in", () => {
  const around = {
    deposit: { ...deposit, disposition: "UNATTRIBUTED" },
    operations: new Map(),
  };
  const effects = depositUndoneSeen(payment, gone, around) ?? [];
  const said = effects.flatMap((effect) => (effect.case === "said" ? [effect.body] : []));
  expect(said).toMatchObject([
    {
      case: "foreignMovementSeen",
      value: { kind: "deposit_undone", amount: 700n, currency: "USDBC" },
    },
  ]);
});
