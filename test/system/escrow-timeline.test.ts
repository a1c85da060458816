/** `app escrow timeline` as an operator types it: one deal's story, from the server and without one. */
import { afterAll, expect, test } from "bun:test";
import { emptyPlace } from "../support/binary.ts";
import { killAll, runApp, startApp } from "../support/processes.ts";

afterAll(killAll);

test("seed A13: one deal's story is told over all modules, by a server and without one", async () => {
  const place = await emptyPlace();
  const env = { LOG_LEVEL: "silent" };
  const app = startApp(place, ["--port", "0"], env);
  const url = await app.ready(60_000);
  const token = await runApp(place, ["token", "--sub", "alice", "--role", "buyer"], env);
  const made = await fetch(`${url}/v1/escrows`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${token.stdout.trim()}`,
      "Content-Type": "application/json",
      "Idempotency-Key": "k-1",
      "X-Correlation-Id": "order-7",
      Prefer: "wait=10",
    },
    body: JSON.stringify({
      buyerId: "alice",
      sellerId: "bob",
      title: "A used lens",
      amount: { amount: "10000", currency: "USD" },
    }),
  });
  const { escrowId } = (await made.json()) as { escrowId: string };
  const timeline = (...args: string[]) => runApp(place, ["escrow", "timeline", ...args], env);

  const told = await timeline(escrowId);
  expect(told).toMatchObject({ code: 0, stderr: "" });
  expect(told.stdout).toMatch(
    /^\d{4}-.*Z {2}command .*\n {4}escrow\.v1\..*, by .*alice, correlation order-7$/m,
  );
  expect(told.stdout).toMatch(/^\d{4}-.*Z {2}event /m);
  const asJson = await timeline(escrowId, "--json");
  expect(JSON.parse(asJson.stdout).items.length).toBeGreaterThan(1);
  const stranger = await timeline("esc_none");
  expect(stranger).toMatchObject({ code: 6, stdout: "" });
  expect(stranger.stderr).toContain("NOT_FOUND");

  await app.stop();
  expect(await timeline(escrowId)).toEqual(told);
  expect(await timeline(escrowId, "--json")).toEqual(asJson);
  expect(await timeline("esc_none")).toEqual(stranger);
}, 180_000);
