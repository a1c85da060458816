/** The guide's example, as it stands there, hears of a dispute. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/logs.ts";
import { fundedEscrow } from "../support/sale.ts";
import { createDiscord } from "./new-consumer.example.ts";

const here = new URL(".", import.meta.url);
let app: TestApp;

beforeAll(async () => {
  app = await startApp();
}, 60_000);
afterAll(async () => {
  await app.stop();
});

test("the guide shows the example that is tried here", async () => {
  const [guide, example] = await Promise.all(
    ["../../docs/guides/new-consumer.md", "new-consumer.example.ts"].map((path) =>
      Bun.file(new URL(path, here)).text(),
    ),
  );
  expect(guide).toContain(`\`\`\`ts\n${example}\`\`\``);
  expect(example?.split("\n").length).toBeLessThanOrEqual(21);
});

test("registered while the process runs, it hears of a dispute once", async () => {
  const posts: string[] = [];
  const { listeners } = app.server.application;
  const { listeners: own = [] } = createDiscord({ post: async (text) => void posts.push(text) });
  for (const listener of own) listeners.registerHandler(listener);
  await eventually(() => listeners.problems().length === 0);

  const { alice, escrowId } = await fundedEscrow(app);
  await alice.post(`/v1/escrows/${escrowId}/dispute`, { reason: "not as described" });
  await eventually(() => posts.length > 0);
  await app.settle();
  expect(posts).toEqual([expect.stringContaining(`${escrowId}: escrow.v1.EscrowDisputed (`)]);
  expect(await listeners.unregisterHandler("discord.disputes")).toBe(true);
});
