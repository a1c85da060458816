/**
 * Crash points: the process dies at each, another starts on the same data, and the sale goes on as if
 * nothing had happened. Nothing is lost, nothing happens twice, nobody repairs anything by hand.
 */
import { afterAll, describe, expect, test } from "bun:test";
import type { Stores } from "../../src/stores.ts";
import { type Client, memoryStores, startAppOn, type TestApp } from "../support/app.ts";
import { type CrashPoint, mortal, stuttering } from "../support/crash.ts";

const points: Record<string, CrashPoint> = {
  "crash point K1: before the command is acknowledged": {
    at: "send",
    topic: "escrow.commands.v1",
    when: "before",
  },
  "crash point K2: after the acknowledgement, before 202": {
    at: "send",
    topic: "escrow.commands.v1",
    when: "after",
  },
  "crash point K3: fetched": { at: "poll", topic: "escrow.commands.v1" },
  "crash point K4: in the transaction": { at: "statement", text: /INSERT INTO escrow\.history/ },
  "crash point K5: committed, offset not": { at: "commit", text: /INSERT INTO escrow\.history/ },
  "crash point K6: read by the relay": { at: "send", topic: "escrow.events.v1", when: "before" },
  "crash point K7: acknowledged, not deleted": {
    at: "send",
    topic: "escrow.events.v1",
    when: "after",
  },
  "crash point K8: operation written": { at: "commit", text: /INSERT INTO payments\.operation/ },
  "crash point K9: the provider did it, not recorded": {
    at: "commit",
    text: /INSERT INTO sandbox\.object/,
  },
  "crash point K10: in the projection's transaction": {
    at: "statement",
    text: /INSERT INTO projections\.escrow_view/,
  },
  "crash point K11: webhook verified, not stored": {
    at: "send",
    topic: "webhook.events.v1",
    when: "before",
  },
  "crash point K12: webhook stored, not answered": {
    at: "send",
    topic: "webhook.events.v1",
    when: "after",
  },
};

const opened: Stores[] = [];
afterAll(async () => {
  for (const stores of opened) await stores.close();
});

async function freshStores(): Promise<Stores> {
  const stores = await memoryStores();
  opened.push(stores);
  return stores;
}

/** Repeats a request with its key until it is answered for good, as a careful client does. */
async function insist(post: () => ReturnType<Client["post"]>) {
  for (;;) {
    const answer = await post().catch(() => undefined);
    if (answer && answer.status < 400) return answer;
    await Bun.sleep(20);
  }
}

interface Steps {
  app: TestApp;
  readonly restart: () => Promise<TestApp>;
}

/** A whole sale; after each step, if the process has died, the next one takes over. */
async function sell(steps: Steps, crashed: () => boolean): Promise<string> {
  const alive = async () => {
    if (crashed()) steps.app = await steps.restart();
  };
  const act = async (subject: string, path: string, body: object, key: string) => {
    for (;;) {
      const answer = await Promise.race([
        steps.app.as(subject).post(path, body, { key }),
        untilTrue(crashed),
      ]).catch(() => undefined);
      await alive();
      if (answer && (answer.status === 200 || path.startsWith("/sandbox"))) return answer;
    }
  };
  const sale = {
    buyerId: "alice",
    sellerId: "bob",
    title: "A lens",
    amount: { amount: "10000", currency: "USD" },
  };
  const created = await act("alice", "/v1/escrows", sale, "create");
  const { escrowId } = created.body;
  const shown = await insist(() => steps.app.as("alice").get(`/v1/escrows/${escrowId}`));
  await act("bob", `/v1/escrows/${escrowId}/accept`, { termsHash: shown.body.termsHash }, "accept");
  await quiet(steps, crashed);
  const payment = await insist(() => steps.app.as("alice").get(`/v1/escrows/${escrowId}/payment`));
  await act("alice", `/sandbox/payments/${payment.body.paymentId}/pay`, {}, "pay");
  await quiet(steps, crashed);
  await act("alice", `/v1/escrows/${escrowId}/release`, {}, "release");
  await quiet(steps, crashed);
  return escrowId;
}

/** Until nothing is under way; a process that dies meanwhile is replaced first. */
async function quiet(steps: Steps, crashed: () => boolean): Promise<void> {
  for (;;) {
    const settled = await Promise.race([
      steps.app.settle().then(
        () => true,
        () => false,
      ),
      untilTrue(crashed).then(() => false),
    ]);
    if (settled) return;
    if (crashed()) steps.app = await steps.restart();
  }
}

async function untilTrue(condition: () => boolean): Promise<undefined> {
  while (!condition()) await Bun.sleep(5);
  return undefined;
}

describe("crash points", () => {
  for (const [name, point] of Object.entries(points)) {
    test(`${name}, and the sale ends RELEASED, once`, async () => {
      const stores = await freshStores();
      const doomed = mortal(stores, point);
      const survivors = { ...stores, close: async () => {} };
      let restarted = false;
      const first = await startAppOn(doomed.stores);
      const steps: Steps = {
        app: first,
        restart: async () => {
          restarted = true;
          void first.stop();
          return startAppOn(survivors);
        },
      };
      const escrowId = await sell(steps, () => doomed.crashed() && !restarted);
      expect(doomed.crashed()).toBe(true);
      expect(restarted).toBe(true);
      await expectReleasedOnce(steps.app, stores, escrowId);
      await steps.app.stop();
    });
  }
});

test("every message delivered twice changes nothing", async () => {
  const stores = await freshStores();
  const app = await startAppOn({ ...stuttering(stores), close: async () => {} });
  const escrowId = await sell({ app, restart: async () => app }, () => false);
  await expectReleasedOnce(app, stores, escrowId);
  await app.stop();
});

async function expectReleasedOnce(app: TestApp, stores: Stores, escrowId: string): Promise<void> {
  const done = await app.as("alice").get(`/v1/escrows/${escrowId}`);
  expect(done.body.state).toBe("RELEASED");
  expect(done.body.funds).toMatchObject({ funded: "10320", released: "9950", fees: "370" });
  const effects = await stores.databases.payments.sql<{ kind: string; n: bigint }>`
    SELECT kind, count(*) AS n FROM sandbox.object GROUP BY kind ORDER BY kind`;
  expect(effects.filter(({ kind }) => kind !== "account")).toEqual([
    { kind: "payment", n: 1n },
    { kind: "transfer", n: 1n },
  ]);
  const report = await app.server.application.verify();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
}
