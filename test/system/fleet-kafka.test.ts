/**
 * The program as a fleet over three brokers and PostgreSQL: the README's sale, then every process
 * kind, a broker and all database sessions lost under load. What was accepted is done, once.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Kafka, startKafka } from "../../scripts/services.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres, onServer } from "../support/databases.ts";
import { type Fleet, fleetEnvironment, fleetSecret, startFleet } from "../support/fleet.ts";
import { createMarket } from "../support/market.ts";
import { killAll, runApp, verify } from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";
import { decided, expectBooks, explained } from "../support/sales-books.ts";

const roles = ["api", "escrow", "escrow", "payments", "projections", "outbox", "outbox"];
const killed = ["api", "escrow", "payments", "projections", "outbox"];

// Where no Kafka can be had, `npm test` says so, loudly, and fails in CI.
if (process.env.KAFKA_BROKERS !== undefined)
  describe("a fleet over Kafka", () => {
    let kafka: Kafka;
    let postgres: FreshPostgres;
    let place: Place;
    let env: Record<string, string>;
    let fleet: Fleet;

    beforeAll(async () => {
      const [cluster, database, folder] = await Promise.all([
        startKafka({ brokers: 3 }),
        freshPostgres(),
        emptyPlace(),
      ]);
      if (cluster === undefined) throw new Error("no Kafka can be had for three brokers");
      [kafka, postgres, place] = [cluster, database, folder];
      env = fleetEnvironment(postgres, kafka);
    }, 120_000);

    afterAll(async () => {
      await killAll();
      await postgres?.drop();
      await kafka?.stop();
    }, 60_000);

    test("app migrate and app topics set all up, and find nothing to do the second time", async () => {
      for (const command of ["migrate", "topics"]) {
        const first = await runApp(place, [command], env);
        expect({ command, code: first.code, stderr: first.stderr }).toEqual({
          command,
          code: 0,
          stderr: "",
        });
        expect(first.stdout).not.toContain("nothing to do");
        const second = await runApp(place, [command], env);
        expect({ command, ...second }).toEqual({
          command,
          code: 0,
          stdout: "nothing to do\n",
          stderr: "",
        });
      }
    }, 90_000);

    test("the README's sale, unchanged", async () => {
      fleet = await startFleet(place, roles, env);
      const sold = await runReadmeSale(place, fleet.url("api"), env);
      expect(sold.state).toBe("RELEASED");
      expect(sold.funds).toEqual(fundsOfSale);
    }, 120_000);

    test("each kind of process, a broker and all sessions lost under load: nothing lost, nothing twice", async () => {
      const market = createMarket({
        url: () => fleet.url("api"),
        secret: fleetSecret,
        patienceMs: 60_000,
      });
      const load = market.load(5);
      await explained(postgres, fleet, 360_000, async () => {
        await load.more(3);
        for (const role of killed) {
          const member = fleet.members.find((one) => one.role === role);
          if (member === undefined) throw new Error(`nobody is ${role}`);
          await fleet.killAndRestart(member, 2_000);
          await load.more(3);
        }
        await kafka.kill(2);
        await Bun.sleep(3_000);
        await kafka.restart(2);
        await load.more(3);
        expect(await terminateSessions(postgres)).toBeGreaterThan(3);
        const healed = performance.now();
        await decided(market);
        expect(performance.now() - healed).toBeLessThan(30_000);

        const sold = await load.stop();
        expect(market.repeats()).toBeGreaterThan(0);
        await decided(market);
        // The README's own sale is one of them.
        await expectBooks(postgres, sold.length + 1);
        expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
      });
    }, 400_000);

    test("SIGTERM ends each in order", async () => {
      for (const { role, code, ms } of await fleet.stop()) {
        expect({ role, code }).toEqual({ role, code: 0 });
        expect(ms).toBeLessThan(15_000);
      }
      expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
    }, 120_000);
  });

function terminateSessions({ url }: FreshPostgres): Promise<number> {
  const name = new URL(url).pathname.slice(1);
  return onServer(async (server) => {
    const ended = await server.sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`;
    return ended.length;
  });
}
