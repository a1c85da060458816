/** The program on this machine: its port, the server it asks for its health, the stories it tells. */
import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { emptyPlace } from "../support/binary.ts";
import { killAll, runApp, startApp } from "../support/processes.ts";

afterAll(killAll);

test("a port in use leaves no folder behind, and who starts the program twice is told of the first", async () => {
  const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
  const busy = String(other.port);
  const place = await emptyPlace();
  const taken = await runApp(place, ["--port", busy]);
  await other.stop(true);
  expect(taken.code).toBe(6);
  expect(taken.stderr).toContain(`127.0.0.1:${busy} is in use`);
  expect(existsSync(join(place.folder, "data"))).toBe(false);
  const first = startApp(place, ["--port", "0"]);
  const { port } = new URL(await first.ready());
  const second = await runApp(place, ["--port", port]);
  expect(second.code).toBe(6);
  expect(second.stderr).toContain(`in use by process ${first.pid} at http://127.0.0.1:${port}`);
  await first.stop();
}, 60_000);

test("app health asks the port it is told, by flag or PORT, and names it when nobody answers", async () => {
  const healthy = Bun.serve({ port: 0, fetch: () => new Response('{"status":"ready"}') });
  const port = String(healthy.port);
  for (const [args, env] of [
    [["--port", port], {}],
    [[], { PORT: port }],
  ] as const) {
    const { code, stdout } = await runApp(await emptyPlace(), ["health", ...args], env);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"status":"ready"}\n' });
  }
  await healthy.stop(true);
  const { code, stderr } = await runApp(await emptyPlace(), ["health", "--port", port]);
  expect(code).toBe(1);
  expect(stderr).toContain(`http://127.0.0.1:${port}/readyz does not answer`);
}, 30_000);

test("app demo says how many stories it tells and for how long, and counts them", async () => {
  const { code, stdout } = await runApp(await emptyPlace(), ["demo", "--story", "happy-sandbox"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^1 story, about \d+ seconds/);
  expect(stdout).toContain("\n[1/1] ");
  expect(stdout).toEndWith("\n1 story told, each true\n");
}, 60_000);
