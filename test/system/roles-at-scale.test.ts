/**
 * Two processes of every role over three brokers, under load, while every three seconds one of them
 * leaves in order or comes back: work goes on all the time, nothing is lost or done twice, and what
 * the members say of lag and rebalances moves with it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openPostgres } from "#platform/database/postgres";
import { type Kafka, startKafka } from "../../scripts/services.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { type Fleet, fleetEnvironment, fleetSecret, startFleet } from "../support/fleet.ts";
import { eventually } from "../support/logs.ts";
import { createMarket } from "../support/market.ts";
import { killAll, runApp, verify } from "../support/processes.ts";
import { decided, expectBooks, explained } from "../support/sales-books.ts";

const roles = ["api", "escrow", "payments", "projections", "outbox"];
const churnMs = 60_000;
const everyMs = 3_000;
const longestPauseMs = 15_000;
/** At least so many groups have a lag to show: of commands, of payments, of the read models. */
const groups = 3;

// Where no Kafka can be had, `npm test` says so, loudly, and fails in CI.
if (process.env.KAFKA_BROKERS !== undefined)
  describe("roles at scale", () => {
    let kafka: Kafka;
    let postgres: FreshPostgres;
    let place: Place;
    let env: Record<string, string>;

    beforeAll(async () => {
      const [cluster, database, folder] = await Promise.all([
        startKafka({ brokers: 3 }),
        freshPostgres(),
        emptyPlace(),
      ]);
      if (cluster === undefined) throw new Error("no Kafka can be had for three brokers");
      [kafka, postgres, place] = [cluster, database, folder];
      env = fleetEnvironment(postgres, kafka);
      for (const command of ["migrate", "topics"]) {
        expect((await runApp(place, [command], env)).code).toBe(0);
      }
    }, 120_000);

    afterAll(async () => {
      await killAll();
      await postgres?.drop();
      await kafka?.stop();
    }, 60_000);

    test("members come and go: progress never pauses for long, lag and rebalances are seen, the invariants hold", async () => {
      const fleet = await startFleet(place, [...roles, ...roles], env);
      await explained(postgres, fleet, 240_000, async () => {
        const market = createMarket({
          url: () => fleet.url("api"),
          secret: fleetSecret,
          patienceMs: 60_000,
        });
        const load = market.load(4);
        await load.more(2);
        const progress = watchProgress(postgres);
        const before = await figures(fleet);
        const lag = watchLag(fleet);
        await churn(fleet);
        expect(await progress.longestPauseMs()).toBeLessThan(longestPauseMs);
        expect(await lag.most()).toBeGreaterThan(0);
        expect((await figures(fleet)).rebalances).toBeGreaterThan(before.rebalances);

        const sold = await load.stop();
        await decided(market);
        await expectBooks(postgres, sold.length);
        expect(await verify(place, env)).toMatchObject({ code: 0, ok: true, broken: [] });
        await eventually(async () => {
          const { lags } = await figures(fleet);
          return lags.length >= groups && lags.every((behind) => behind === 0);
        }, 60_000);
      });
      for (const { role, code } of await fleet.stop()) {
        expect({ role, code }).toEqual({ role, code: 0 });
      }
    }, 360_000);
  });

/** Every three seconds the second member of the next role leaves, three seconds later it comes back. */
async function churn(fleet: Fleet): Promise<void> {
  const seconds = fleet.members.slice(roles.length);
  const returning: Promise<void>[] = [];
  for (let turn = 0; turn * everyMs < churnMs; turn += 1) {
    const member = seconds[Math.floor(turn / 2) % seconds.length];
    if (member === undefined) throw new Error("nobody is there");
    if (turn % 2 === 1) returning.push(fleet.start(member));
    else returning.push(fleet.leave(member));
    await Bun.sleep(everyMs);
  }
  await Promise.all(returning);
}

/** Counts what the read models have been told, twice a second. */
function watchProgress({ url }: FreshPostgres): { longestPauseMs(): Promise<number> } {
  const db = openPostgres({ url, max: 1 });
  let watching = true;
  const watched = (async () => {
    let [known, at, longest] = [0, performance.now(), 0];
    while (watching) {
      const [row] = await db.sql<{
        n: number;
      }>`SELECT count(*)::int AS n FROM projections.timeline`;
      const now = performance.now();
      longest = Math.max(longest, now - at);
      if (row !== undefined && row.n > known) [known, at] = [row.n, now];
      await Bun.sleep(500);
    }
    await db.close();
    return longest;
  })();
  return {
    longestPauseMs: () => {
      watching = false;
      return watched;
    },
  };
}

interface Figures {
  /** Of the members that stay. */
  readonly rebalances: number;
  /** Of each group and topic, as each member that is up has it. */
  readonly lags: readonly number[];
}

/** As the processes' own metrics tell. */
async function figures({ members }: Fleet): Promise<Figures> {
  const stay = members.slice(0, roles.length);
  const up = members.filter((member) => member.up);
  const texts = await Promise.all(
    up.map(async (member) => {
      // It may be leaving.
      const text = await fetch(`${member.url}/metrics`).then(
        (answer) => answer.text(),
        () => "",
      );
      return { text, stays: stay.includes(member) };
    }),
  );
  const all = (name: string, of: readonly { text: string }[]) =>
    of.flatMap(({ text }) =>
      [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\d+)$`, "gm"))].map(([, n]) => Number(n)),
    );
  const counts = all(
    "kafka_rebalances_total",
    texts.filter(({ stays }) => stays),
  );
  return {
    rebalances: counts.reduce((sum, count) => sum + count, 0),
    lags: all("kafka_consumer_lag", texts),
  };
}

/** The most that was behind at once while it was watched, once a second. */
function watchLag(fleet: Fleet): { most(): Promise<number> } {
  let watching = true;
  const watched = (async () => {
    let most = 0;
    while (watching) {
      const { lags } = await figures(fleet);
      most = Math.max(most, ...lags);
      await Bun.sleep(1_000);
    }
    return most;
  })();
  return {
    most: () => {
      watching = false;
      return watched;
    },
  };
}
