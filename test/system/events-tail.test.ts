/** `app events tail` as an operator types it: the topics' messages, from a server and without one. */
import { afterAll, expect, test } from "bun:test";
import { emptyPlace, type Place } from "../support/binary.ts";
import { eventually } from "../support/logs.ts";
import { type Environment, killAll, runApp, startApp } from "../support/processes.ts";

afterAll(killAll);

const title = "A lens nobody may read of";

async function sell(place: Place, url: string, env: Environment): Promise<string> {
  const token = await runApp(place, ["token", "--sub", "alice", "--role", "buyer"], env);
  const made = await fetch(`${url}/v1/escrows`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${token.stdout.trim()}`,
      "Content-Type": "application/json",
      "Idempotency-Key": crypto.randomUUID(),
      Prefer: "wait=10",
    },
    body: JSON.stringify({
      buyerId: "alice",
      sellerId: "bob",
      title,
      amount: { amount: "10000", currency: "USD" },
    }),
  });
  return ((await made.json()) as { escrowId: string }).escrowId;
}

test("seed A13: the latest messages are shown decoded, and followed as they come", async () => {
  const place = await emptyPlace();
  const env = { LOG_LEVEL: "silent" };
  const app = startApp(place, ["--port", "0"], env);
  const url = await app.ready(60_000);
  const tail = (...args: string[]) => runApp(place, ["events", "tail", ...args], env);
  const events = ["--topic", "escrow.events.v1"];
  const first = await sell(place, url, env);

  const told = await tail(...events);
  expect(told).toMatchObject({ code: 0, stderr: "" });
  expect(told.stdout).toMatch(
    new RegExp(`^\\d{4}-.*Z {2}escrow\\.v1\\.EscrowCreated {2}${first}$`, "m"),
  );
  // People's texts are sealed on the topics, and stay so here.
  expect(told.stdout).not.toContain(title);
  const asJson = await tail(...events, "--limit", "1", "--json");
  expect(JSON.parse(asJson.stdout)).toMatchObject({ topic: "escrow.events.v1", key: first });

  const following = startApp(place, ["events", "tail", "--json", "--follow"], env);
  await eventually(() => following.stdout().includes(first));
  // Whoever read a page twice would show the second again beside the third.
  for (const _ of ["second", "third"]) {
    const next = await sell(place, url, env);
    await eventually(() => following.stdout().includes(next));
  }
  await following.stop();
  const lines = following.stdout().trim().split("\n");
  const places = lines
    .map((line) => JSON.parse(line))
    .map((one) => `${one.topic} ${one.partition} ${one.offset}`);
  expect(new Set(places).size).toBe(places.length);

  expect(await tail("--topic", "nope")).toMatchObject({ code: 2, stdout: "" });
  const whole = await tail();
  await app.stop();
  expect(await tail()).toEqual(whole);
}, 180_000);
