// Two processes may take two bodies under one key: the handler keeps the first and notes the other.
import { expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ActorSchema } from "#gen/escrow/v1/types_pb";
import { RenewPaymentSchema } from "#gen/payments/v1/commands_pb";
import {
  commandFor,
  createPaymentsWorld,
  openPaymentsDatabase,
} from "../../../test/support/payments.ts";
import { createDeals, openDeals } from "../../../test/support/payments-deals.ts";

setDefaultTimeout(60_000);

test("pitfall 19: another body under a command's id does nothing and is kept as a conflict", async () => {
  const db = await openPaymentsDatabase();
  const world = createPaymentsWorld(db);
  const escrowId = await createDeals(world, db).open();
  const renewal = (returnUrl: string, fingerprint: string) => {
    const value = create(RenewPaymentSchema, { returnUrl });
    const command = commandFor(escrowId, { case: "renewPayment", value });
    return { ...command, commandId: "a".repeat(64), fingerprint };
  };
  const [first, other] = ["1", "2"].map((digit) => renewal("", digit.repeat(64)));
  if (!first || !other) throw new Error("two commands");
  await world.handle(first);
  const said = await world.events(escrowId);
  await world.handle(first, other);
  expect(await world.events(escrowId)).toEqual(said);
  const kept = await db.sql`SELECT command_id, fingerprint FROM payments.command_conflict`;
  expect(kept).toEqual([{ command_id: other.commandId, fingerprint: other.fingerprint }]);
  await db.close();
});

test("pitfall 4: renewing opens no second payment; what is paid late or twice goes back in full", async () => {
  const { db, world, deals } = await openDeals();
  const escrowId = await deals.open();
  const renew = async (digit: string) => {
    const body = { case: "renewPayment", value: create(RenewPaymentSchema) } as const;
    const commandId = digit.repeat(64);
    const command = commandFor(escrowId, body);
    const actor = create(ActorSchema, { id: "alice" });
    await world.handle({ ...command, commandId, actor });
    await world.settle();
    const [outcome] = await db.sql<{ status: string; code: string }>`
      SELECT status, code FROM payments.command_outcome WHERE command_id = ${commandId}`;
    return outcome;
  };
  await deals.pay(escrowId, { outcome: "decline" });
  await world.settle();
  expect(await renew("a")).toMatchObject({ status: "succeeded" });
  expect(await renew("b")).toMatchObject({ status: "succeeded" });
  const payments = await db.sql`
    SELECT object_id FROM sandbox.object WHERE group_id = ${escrowId} AND kind = 'payment'`;
  const opened = await db.sql`SELECT kind FROM payments.operation WHERE escrow_id = ${escrowId}`;
  expect([payments.length, opened]).toEqual([1, [{ kind: "CREATE_PAYMENT" }]]);
  // Both of his tries come through in the end.
  await deals.pay(escrowId);
  await world.settle();
  await deals.pay(escrowId, { amount: "10320" });
  await world.settle();
  expect(await world.funds(escrowId)).toMatchObject({
    funded: "20640",
    held: "10000",
    fees: "320",
    refunded: "10320",
  });
  expect(await renew("c")).toMatchObject({ status: "rejected", code: "ALREADY_FUNDED" });
  await db.close();
});
