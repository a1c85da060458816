/**
 * Two whole programs on one PostgreSQL, the log in its tables: the README's sale, then one of them
 * killed under load while the other goes on. What was accepted is done, once.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { type Fleet, startFleet } from "../support/fleet.ts";
import { createMarket } from "../support/market.ts";
import { killAll, runApp, verify } from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";
import { decided, expectBooks, explained } from "../support/sales-books.ts";

const secret = "a secret for this test, thirty-two bytes";
let postgres: FreshPostgres;
let place: Place;
let env: Record<string, string>;
let fleet: Fleet;

beforeAll(async () => {
  [place, postgres] = await Promise.all([emptyPlace(), freshPostgres()]);
  env = {
    DATABASE_URL: postgres.url,
    KAFKA_ENABLED: "false",
    // Named and switched off: the switch wins.
    KAFKA_BROKERS: "127.0.0.1:1",
    JWT_SECRET: secret,
    DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
    RATE_LIMIT_PER_SECOND: "100000",
    LOG_LEVEL: "warn",
  };
  expect((await runApp(place, ["migrate"], env)).code).toBe(0);
  fleet = await startFleet(place, ["all", "all"], env);
}, 60_000);

afterAll(async () => {
  await killAll();
  await postgres?.drop();
}, 60_000);

test("the README's sale, unchanged", async () => {
  const sold = await runReadmeSale(place, fleet.url("all"), env);
  expect(sold.state).toBe("RELEASED");
  expect(sold.funds).toEqual(fundsOfSale);
}, 60_000);

test("one of two is killed, twice: nothing lost, nothing twice", async () => {
  const [first, second] = fleet.members;
  if (!first || !second) throw new Error("two were started");
  let turn = 0;
  const url = () => (turn++ % 2 === 0 ? first.url : second.url);
  const market = createMarket({ url, secret, patienceMs: 60_000 });
  const load = market.load(5);
  await explained(postgres, fleet, 200_000, async () => {
    for (const member of [second, first]) {
      await load.more(3);
      await fleet.killAndRestart(member, 1_000);
    }
    await load.more(3);
    const sold = await load.stop();
    expect(market.repeats()).toBeGreaterThan(0);
    await decided(market);
    // The README's own sale is one of them.
    await expectBooks(postgres, sold.length + 1);
    expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
  });
}, 240_000);

test("SIGTERM ends each in order", async () => {
  for (const { role, code, ms } of await fleet.stop()) {
    expect({ role, code }).toEqual({ role, code: 0 });
    expect(ms).toBeLessThan(15_000);
  }
}, 60_000);
