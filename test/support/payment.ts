/** A payment of the domain that nothing has happened to: alice's, for bob, of 10,000 and her fee of 320. */
import { newPayment, type Payment } from "../../src/modules/payments/domain/payment.ts";

type Terms = Parameters<typeof newPayment>[0];

export function freshPayment(change: Partial<Terms> = {}): Payment {
  return newPayment({
    escrowId: "esc_1",
    paymentId: "pay_1",
    buyerId: "alice",
    sellerId: "bob",
    serviceId: "",
    provider: "custodian",
    currency: "USDC",
    amount: 10_000n,
    buyerFee: 320n,
    sellerFee: 50n,
    chargebackLiability: "SELLER",
    descriptorSuffix: "",
    expiresAt: undefined,
    ...change,
  });
}
