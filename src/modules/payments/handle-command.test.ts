// Two processes may take two bodies under one key: the handler keeps the first and notes the other.
import { expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { RenewPaymentSchema } from "#gen/payments/v1/commands_pb";
import {
  commandFor,
  createPaymentsWorld,
  openPaymentsDatabase,
} from "../../../test/support/payments.ts";
import { createDeals } from "../../../test/support/payments-deals.ts";

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
