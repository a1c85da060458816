// O7: months pass in one call, and everything that they bring comes, in order, each thing once.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { parseDuration } from "#kernel/duration";
import { startApp, type TestApp } from "../support/app.ts";
import { acceptedEscrow, createEscrow, fundedEscrow, type Sale } from "../support/sale.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  const report = await app.server.application.verify();
  await app.stop();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
});

const shown = async ({ alice, escrowId }: Sale) =>
  (await alice.get(`/v1/escrows/${escrowId}`)).body;

interface Line {
  readonly kind: string;
  readonly type: string;
  readonly at: string;
}

async function eventsOf({ alice, escrowId }: Sale): Promise<Line[]> {
  const { items } = (await alice.get(`/v1/escrows/${escrowId}/timeline`)).body;
  return items.filter(({ kind }: Line) => kind === "event");
}

test("O7, T1, pitfall 30: forty days in one call bring every deadline to its end, on its day", async () => {
  const unpaid = await acceptedEscrow(app);
  const proposed = await createEscrow(app, { terms: { fundingDeadline: "P2D" } });
  const undelivered = await fundedEscrow(app, { terms: { reminders: ["P1D", "PT1H"] } });
  const delivered = await fundedEscrow(app);
  const disputed = await fundedEscrow(app, { terms: { defaultOutcome: "RELEASE" } });
  const done = [
    await delivered.bob.post(`/v1/escrows/${delivered.escrowId}/deliver`),
    await disputed.alice.post(`/v1/escrows/${disputed.escrowId}/dispute`, {
      reason: "x",
      milestoneId: "m1",
    }),
  ];
  expect(done.map(({ status }) => status)).toEqual([200, 200]);
  const timer = (await shown(delivered)).timers[0];
  const [start] = await eventsOf(undelivered);

  const moved = await app.advance("P40D");
  expect(moved.body).toMatchObject({ settled: true });
  const states = await Promise.all(
    [unpaid, proposed, undelivered, delivered, disputed].map(async (sale) => {
      const { state, timers } = await shown(sale);
      return [state, timers];
    }),
  );
  expect(states).toEqual([
    ["CANCELLED", []],
    ["CANCELLED", []],
    ["REFUNDED", []],
    ["RELEASED", []],
    ["RELEASED", []],
  ]);

  // The release came when the reply to the delivery had promised it, five seconds later.
  const released = (await eventsOf(delivered)).find(({ type }) => /ReleaseRequested/.test(type));
  const late = Date.parse(released?.at ?? "") - Date.parse(timer.dueAt);
  expect(late).toBeGreaterThanOrEqual(5_000);
  expect(late).toBeLessThan(60_000);

  // T5: both reminders, a day and an hour before the end, and then the end.
  const told = (await eventsOf(undelivered)).filter(({ type }) =>
    /DeadlineApproaching|RefundRequested/.test(type),
  );
  expect(told.map(({ type }) => type.replace(/.*\./, ""))).toEqual([
    "EscrowDeadlineApproaching",
    "EscrowDeadlineApproaching",
    "EscrowRefundRequested",
  ]);
  const days = told.map(({ at }) => (Date.parse(at) - Date.parse(start?.at ?? "")) / 86_400_000);
  expect(days[0]).toBeCloseTo(29, 1);
  expect(days[2]).toBeCloseTo(30, 1);
});

test("pitfall 46: the same time again brings nothing twice", async () => {
  const sale = await fundedEscrow(app);
  await sale.bob.post(`/v1/escrows/${sale.escrowId}/deliver`);
  await app.advance("P8D");
  const before = await eventsOf(sale);
  const operations = await sale.alice.get(`/v1/escrows/${sale.escrowId}/ledger`);
  await app.advance("P60D");
  await app.as("root", "admin").post("/v1/operations/rebuild");
  await app.settle();
  expect(await eventsOf(sale)).toEqual(before);
  expect((await sale.alice.get(`/v1/escrows/${sale.escrowId}/ledger`)).body).toEqual(
    operations.body,
  );
});

test("O7: whoever asks is told where the clock stands, and how far it was moved", async () => {
  const { body: before } = await app.as("alice", "buyer").get("/sandbox/clock");
  const aheadMs = app.server.clock.offsetMs();
  await app.advance("P3DT2H");
  expect(app.server.clock.offsetMs() - aheadMs).toBe(parseDuration("P3DT2H") ?? 0n);
  const { status, body: after } = await app.as("alice", "buyer").get("/sandbox/clock");
  expect(status).toBe(200);
  const hours = (Date.parse(after.now) - Date.parse(before.now)) / 3_600_000;
  expect(Math.round(hours)).toBe(74);
  expect(Math.abs(Date.parse(after.real) - Date.now())).toBeLessThan(60_000);
  expect(after.ahead).toMatch(/^P\d+D/);
  const health = (await app.as("nobody").get("/healthz")).body;
  expect(health).toEqual({ status: "ok", clockAhead: after.ahead });
});
