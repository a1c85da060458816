/**
 * `ready` is said once, of one moment. Whether a process can work now is what /readyz and the log say:
 * no longer while its group is shared out anew, and again when it has its part.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { fleetEnvironment, startFleet } from "../support/fleet.ts";
import { eventually, unique } from "../support/logs.ts";
import { killAll, runApp, startApp } from "../support/processes.ts";

const brokers = process.env.KAFKA_BROKERS;

if (brokers !== undefined)
  describe("a process that loses its group after it was ready", () => {
    let postgres: FreshPostgres;
    let place: Place;
    let env: Record<string, string>;
    beforeAll(async () => {
      [postgres, place] = await Promise.all([freshPostgres(), emptyPlace()]);
      env = {
        ...fleetEnvironment(postgres, { brokers }),
        KAFKA_TOPIC_PREFIX: `${unique("lost")}.`,
        LOG_LEVEL: "info",
      };
      for (const command of ["migrate", "topics"]) {
        expect((await runApp(place, [command], env)).code).toBe(0);
      }
    }, 120_000);
    afterAll(async () => {
      await killAll();
      await postgres?.drop();
    }, 60_000);

    test("is not ready while the group is shared out anew, says so in the log, and is ready again", async () => {
      const fleet = await startFleet(place, ["escrow"], env);
      const [first] = fleet.members;
      if (first === undefined) throw new Error("nobody is there");
      const ready = async () => (await fetch(`${first.url}/readyz`)).json();
      expect(await ready()).toMatchObject({ status: "ready" });

      const second = startApp(place, ["--role=escrow", "--port", "0"], env);
      await eventually(async () => {
        const { checks } = (await ready()) as { checks: { workers: string } };
        return checks.workers.startsWith("cannot work: escrow.");
      }, 60_000);
      await second.ready(60_000);
      await eventually(
        async () => ((await ready()) as { status: string }).status === "ready",
        60_000,
      );
      const said = first.app.stderr();
      expect(said).toContain("not ready: workers: cannot work: escrow.");
      expect(said).toContain("has not joined its group");
      expect(said).toContain("workers is well again");
    }, 180_000);
  });
