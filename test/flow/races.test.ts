import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { fundedEscrow } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

async function clean(): Promise<void> {
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
}

test("pitfall 3: release, refund and dispute at once: one of them has the money, the others are told", async () => {
  for (let round = 0; round < 5; round += 1) {
    const { escrowId, alice, bob } = await fundedEscrow(app);
    const path = `/v1/escrows/${escrowId}`;
    const answers = await Promise.all([
      alice.post(`${path}/release`),
      bob.post(`${path}/refund`),
      alice.post(`${path}/dispute`, { reason: "scratched" }),
    ]);
    const taken = answers.filter(({ status }) => status === 200);
    expect(taken.length).toBe(1);
    for (const { status } of answers) expect([200, 409]).toContain(status);
    await app.settle();
    const { state, funds } = (await alice.get(path)).body;
    expect(["RELEASED", "REFUNDED", "DISPUTED"]).toContain(state);
    const left = BigInt(funds.released) + BigInt(funds.refunded) + BigInt(funds.held);
    expect(left + BigInt(funds.fees)).toBe(10_320n);
  }
  await clean();
}, 60_000);

test("pitfall 2: a hundred partial releases at once never pay more than is held", async () => {
  const { escrowId, alice } = await fundedEscrow(app);
  const path = `/v1/escrows/${escrowId}`;
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => alice.post(`${path}/release`, { amount: "700" })),
  );
  const taken = answers.filter(({ status }) => status === 200).length;
  expect(taken).toBe(14);
  for (const { status, body } of answers) {
    if (status !== 200) expect([409, body.code]).toEqual([status, "INSUFFICIENT_HELD"]);
  }
  await app.settle();
  const { funds } = (await alice.get(path)).body;
  expect(funds).toMatchObject({ held: "200", reserved: "0" });
  expect(BigInt(funds.released) + BigInt(funds.fees) - 320n).toBe(9_800n);
  await clean();
}, 60_000);
