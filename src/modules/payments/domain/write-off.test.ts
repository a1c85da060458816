/** Who may forgive a seller's debt, and how much of it. */
import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ActorSchema, MoneySchema } from "#gen/escrow/v1/types_pb";
import { CommandSchema, WriteOffDebtSchema } from "#gen/payments/v1/commands_pb";
import { freshPayment } from "../../../../test/support/payment.ts";
import { succeeded } from "./decide.ts";
import { writeOffDebt } from "./write-off.ts";

const payment = freshPayment({ serviceId: "shop", provider: "sandbox", currency: "USD" });

function forgive(actor: { id: string; roles?: string[]; serviceId?: string }, amount = 300n) {
  const command = create(CommandSchema, {
    commandId: "c".repeat(64),
    escrowId: "esc_1",
    actor: create(ActorSchema, actor),
    approvedBy: ["root", "rita"],
  });
  const money = create(MoneySchema, { amount, currency: "USD" });
  const writeOff = create(WriteOffDebtSchema, { partyId: "bob", amount: money });
  return writeOffDebt(payment, command, writeOff, { owed: 300n, done: succeeded(command) });
}

describe("G7: a seller's debt is forgiven by operators only", () => {
  test.each([
    ["nobody in particular", { id: "mallory" }],
    ["an auditor", { id: "audrey", roles: ["auditor"] }],
    ["the seller, an admin by chance", { id: "bob", roles: ["admin"] }],
    ["the buyer, an admin by chance", { id: "alice", roles: ["admin"] }],
    ["an admin who acts for somebody", { id: "root", roles: ["admin"], serviceId: "shop" }],
  ])("not by %s, whoever approved", (_who, actor) => {
    expect(forgive(actor).rejected?.code).toBe("ROLE_REQUIRED");
  });

  test("an admin who is no party forgives what is owed and no more", () => {
    const root = { id: "root", roles: ["admin"] };
    expect(forgive(root).effects).toContainEqual({ case: "netted", partyId: "bob", amount: 300n });
    expect(forgive(root, 301n).rejected?.code).toBe("AMOUNT");
  });
});
