/**
 * O13, F36: the program before and this one run beside each other over one PostgreSQL and Kafka, under
 * load, as in a rolling upgrade: the database grows first, then process after process is replaced.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { type Kafka, startKafka } from "../../scripts/services.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { fleetEnvironment, fleetSecret, type Member } from "../support/fleet.ts";
import { createMarket } from "../support/market.ts";
import { placeOf, previousCommit } from "../support/previous-build.ts";
import { killAll, runApp, startApp, verify } from "../support/processes.ts";
import { decided, expectBooks, explained } from "../support/sales-books.ts";

// Along the way of the data, backwards: who reads the new must be there before who writes it.
const roles = ["projections", "escrow", "payments", "outbox", "api"];
const commit = await previousCommit();

if (commit === undefined) {
  process.stderr.write(
    "!!! NOT TESTED: a rolling upgrade (a shallow clone has no earlier program to build).\n",
  );
}

if (commit !== undefined && process.env.KAFKA_BROKERS !== undefined)
  describe(`from ${commit.slice(0, 8)} to this`, () => {
    let kafka: Kafka;
    let postgres: FreshPostgres;
    let before: Place;
    let now: Place;
    let env: Record<string, string>;

    beforeAll(async () => {
      now = await emptyPlace();
      before = await placeOf(commit);
      const [cluster, database] = await Promise.all([startKafka(), freshPostgres()]);
      if (cluster === undefined) throw new Error("no Kafka can be had");
      [kafka, postgres] = [cluster, database];
      env = fleetEnvironment(postgres, kafka);
    }, 300_000);

    afterAll(async () => {
      await killAll();
      await postgres?.drop();
      await kafka?.stop();
      if (before) rmSync(before.folder, { recursive: true, force: true });
    }, 60_000);

    async function setUp(place: Place): Promise<void> {
      for (const command of ["migrate", "topics"]) {
        const { code, stderr } = await runApp(place, [command], env);
        expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: "" });
      }
    }

    async function start(place: Place, role: string): Promise<Omit<Member, "up">> {
      const app = startApp(place, [`--role=${role}`, "--port", "0"], env);
      return { role, app, url: await app.ready(120_000) };
    }

    test("nothing that was accepted is lost, nothing done twice, and all invariants hold", async () => {
      await setUp(before);
      const old = await Promise.all(roles.map((role) => start(before, role)));
      const started = [...old];
      const complaints = () =>
        started.map(({ app }) => `--- ${app.name}\n${app.stderr().slice(-2_000)}`).join("\n");
      const url = () => started.findLast(({ role }) => role === "api")?.url ?? "";
      await explained(postgres, { complaints }, 400_000, async () => {
        const market = createMarket({ url, secret: fleetSecret, patienceMs: 90_000 });
        const load = market.load(2);
        await load.more(1);
        // The old ones go on working while and after the database grows.
        await setUp(now);
        await load.more(1);
        for (const member of old) {
          started.push(await start(now, member.role));
          await load.more(1);
          const ended = await member.app.stop();
          expect({ role: member.role, code: ended.code }).toEqual({ role: member.role, code: 0 });
        }
        await load.more(1);
        const sold = await load.stop();
        await decided(market);
        await expectBooks(postgres, sold.length);
        expect(await verify(now, env)).toMatchObject({ code: 0, ok: true, broken: [] });
      });
    }, 420_000);
  });
