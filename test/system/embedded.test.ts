/**
 * The program alone on its own data folder, as `npm start` runs it: the README's sale, a stop and a
 * new start, a second process, and kill -9 under load.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { emptyPlace, type Place } from "../support/binary.ts";
import { eventually } from "../support/logs.ts";
import { createMarket } from "../support/market.ts";
import { killAll, runApp, startApp, verify } from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";

afterAll(killAll);

const silent = { LOG_LEVEL: "warn" };

function secretOf({ folder }: Place, dataDir = "data"): string {
  return JSON.parse(readFileSync(join(folder, dataDir, "secrets.json"), "utf8")).jwtSecret;
}

test("a fresh folder: banner, ready, the README's sale, stop, start again, all is still there", async () => {
  const place = await emptyPlace();
  const first = startApp(place, ["--port", "0"], silent);
  const url = await first.ready();
  expect(first.stdout()).toContain(`  API      ${url}\n`);
  expect(first.stdout()).toContain("survives a crash of this program, not of the machine");
  expect(first.stdout().indexOf("Ctrl-C")).toBeLessThan(first.stdout().indexOf("\nready "));

  const sold = await runReadmeSale(place, url);
  expect(sold.state).toBe("RELEASED");
  expect(sold.funds).toEqual(fundsOfSale);
  expect(await verify(place)).toMatchObject({ code: 0, ok: true, broken: [] });

  const stopped = await first.stop();
  expect(stopped.code).toBe(0);
  expect(stopped.ms).toBeLessThan(10_000);
  expect(existsSync(join(place.folder, "data", "lock.json"))).toBe(false);
  // Nobody holds the folder: the command opens it itself.
  expect(await verify(place)).toMatchObject({ code: 0, ok: true, broken: [] });

  const second = startApp(place, ["--port", "0"], silent);
  const again = await second.ready();
  const market = createMarket({ url: () => again, secret: secretOf(place), patienceMs: 5_000 });
  expect((await market.get(`/v1/escrows/${sold.escrowId}`)).body).toEqual(sold);
  expect(await verify(place)).toMatchObject({ code: 0, ok: true, broken: [] });
  expect((await second.stop()).code).toBe(0);
}, 90_000);

test("a second process on the same folder is refused and names the first", async () => {
  const place = await emptyPlace();
  const first = startApp(place, ["--port", "0", "--data-dir", "shop"], silent);
  await first.ready();
  const second = await runApp(place, ["--port", "0", "--data-dir", "shop"], silent);
  expect(second.code).toBe(6);
  expect(second.stderr).toContain(`process ${first.pid}`);
  // A dead owner's lock keeps nobody out.
  await first.kill();
  const third = startApp(place, ["--port", "0", "--data-dir", "shop"], silent);
  await third.ready();
  expect((await third.stop()).code).toBe(0);
}, 60_000);

test("--memory leaves nothing behind and serves beside a folder's owner", async () => {
  const place = await emptyPlace();
  const env = { ...silent, JWT_SECRET: "a secret for this test, thirty-two bytes" };
  const app = startApp(place, ["--port", "0", "--memory"], env);
  const url = await app.ready();
  expect(app.stdout()).toContain("memory (forgotten when this process ends)");
  expect((await runReadmeSale(place, url, env)).state).toBe("RELEASED");
  expect((await app.stop()).code).toBe(0);
  expect(existsSync(join(place.folder, "data"))).toBe(false);
}, 60_000);

test("a second signal ends at once what the first would drain", async () => {
  const place = await emptyPlace();
  const app = startApp(place, ["--port", "0"], silent);
  await app.ready();
  app.signal("SIGTERM");
  app.signal("SIGTERM");
  expect([0, 1]).toContain(await app.exited);
}, 30_000);

test("kill -9 under load, again and again: what was accepted is decided, once", async () => {
  const place = await emptyPlace();
  const env = { ...silent, RATE_LIMIT_PER_SECOND: "100000" };
  let app = startApp(place, ["--port", "0"], env);
  let url = await app.ready();
  const market = createMarket({
    url: () => url,
    secret: secretOf(place),
    patienceMs: 30_000,
  });
  const load = market.load(8);
  const startMs: number[] = [];
  for (let cycle = 0; cycle < 5; cycle += 1) {
    const before = market.accepted.size;
    await eventually(() => market.accepted.size - before >= 40, 40_000);
    await app.kill();
    const begun = performance.now();
    app = startApp(place, ["--port", "0"], env);
    url = await app.ready();
    startMs.push(performance.now() - begun);
  }
  const sold = await load.stop();
  expect(sold.length).toBeGreaterThan(20);
  expect(market.repeats()).toBeGreaterThan(0);
  expect(Math.max(...startMs)).toBeLessThan(10_000);
  for (const commandId of market.accepted) {
    expect((await market.get(`/v1/commands/${commandId}`)).body.status).toBe("succeeded");
  }
  for (const id of sold) {
    expect((await market.get(`/v1/escrows/${id}`)).body.funds).toEqual(fundsOfSale);
  }
  const trial = await market.get("/v1/ledger/trial-balance", "operator");
  expect(trial.body).toMatchObject({ violations: 0, currencies: { USD: { sum: "0" } } });
  expect(trial.body.currencies.USD.accounts["platform:fees"]).toBe(`${-370 * sold.length}`);
  expect(await verify(place)).toMatchObject({ code: 0, ok: true, broken: [] });
  const { code, ms } = await app.stop();
  expect(code).toBe(0);
  expect(ms).toBeLessThan(15_000);
}, 300_000);
