/**
 * The container image on a real engine: alone on a volume, and as one container per role over Kafka
 * and PostgreSQL. Its root is read-only, its user nobody in particular.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { freePorts } from "../../scripts/backing/server.ts";
import { run } from "../../scripts/process.ts";
import {
  type Container,
  image,
  newVolume,
  removeContainers,
  runOnce,
  startContainer,
} from "../support/containers.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { createMarket } from "../support/market.ts";

const common = {
  JWT_SECRET: "a secret for this test, thirty-two bytes",
  DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
  LOG_LEVEL: "warn",
};

function marketAt(port: number) {
  const url = () => `http://127.0.0.1:${port}`;
  return createMarket({ url, secret: common.JWT_SECRET, patienceMs: 60_000 });
}

async function expectVerified(container: Container): Promise<void> {
  const { code, output } = await container.exec("verify", "--json");
  if (code !== 0) throw new Error(`verify ended with ${code}: ${output}`);
  expect(JSON.parse(output)).toMatchObject({ ok: true });
}

async function expectStops(container: Container): Promise<void> {
  const { code, ms } = await container.stop();
  if (code !== 0) throw new Error(`ended with ${code}\n${await container.logs()}`);
  expect(ms).toBeLessThan(15_000);
}

// Where no engine can be had, `npm test` says so, loudly: not every machine gives the rights.
if (process.env.DOCKER_HOST !== undefined)
  describe("the container image", () => {
    beforeAll(async () => {
      await image();
    }, 180_000);
    afterAll(removeContainers, 60_000);

    test("is smaller than 150 MB, runs as nobody in particular and knows how to be asked", async () => {
      const [found] = JSON.parse(await run(["docker", "image", "inspect", await image()]));
      expect(found.Size).toBeLessThan(150e6);
      expect(found.Config).toMatchObject({
        User: "65532:65532",
        Entrypoint: ["/app"],
        Volumes: { "/data": {} },
        Healthcheck: { Test: ["CMD", "/app", "health"] },
      });
    });

    test("alone on a volume: a sale, a stop, a second container, a kill; all is still there", async () => {
      const [port = 0, other = 0] = await freePorts(2);
      const volume = await newVolume();
      const env = { ...common, PORT: String(port) };
      const first = await startContainer({ env, volume });
      await first.healthy();
      const market = marketAt(port);
      const id = await market.sell();
      await expectVerified(first);

      // Its first process has the same id as ours: the kernel knows better.
      const second = await runOnce({ env: { ...common, PORT: String(other) }, volume });
      expect({ code: second.code, output: second.output }).toEqual({
        code: 6,
        output: expect.stringContaining("data folder /data is in use"),
      });
      await expectStops(first);

      const third = await startContainer({ env, volume });
      await third.healthy();
      expect((await market.get(`/v1/escrows/${id}`)).body.state).toBe("RELEASED");
      await third.kill();

      const fourth = await startContainer({ env, volume });
      await fourth.healthy();
      await market.sell();
      await expectVerified(fourth);
      await expectStops(fourth);
    }, 240_000);

    test("app health says what is wrong, and nothing is healthy that does not answer", async () => {
      const [port = 0] = await freePorts(1);
      const { code, output } = await runOnce({
        args: ["health"],
        env: {
          PORT: String(port),
          HTTP_PROXY: "http://127.0.0.1:9",
          http_proxy: "http://127.0.0.1:9",
        },
      });
      expect(code).toBe(1);
      expect(output).toContain(`http://127.0.0.1:${port}/readyz`);
    }, 60_000);
  });

const roles = ["api", "escrow", "payments", "projections", "outbox"];

if (process.env.DOCKER_HOST !== undefined && process.env.KAFKA_BROKERS !== undefined)
  describe("one container per role over Kafka and PostgreSQL", () => {
    let postgres: FreshPostgres;
    let env: Record<string, string>;

    beforeAll(async () => {
      [postgres] = await Promise.all([freshPostgres(), image()]);
      env = {
        ...common,
        // By a name, so that looking one up is seen to work in there.
        DATABASE_URL: postgres.url.replace("127.0.0.1", "localhost"),
        KAFKA_BROKERS: process.env.KAFKA_BROKERS ?? "",
        KAFKA_TOPIC_PREFIX: `image-${new URL(postgres.url).pathname.slice(1)}.`,
      };
    }, 180_000);
    afterAll(async () => {
      await removeContainers();
      await postgres?.drop();
    }, 60_000);

    test("migrate, topics, a sale through five containers, and each drains when it is stopped", async () => {
      for (const command of ["migrate", "topics"]) {
        const done = await runOnce({ args: [command], env });
        expect({ command, ...done }).toMatchObject({ command, code: 0 });
      }
      const ports = await freePorts(roles.length);
      const containers = await Promise.all(
        roles.map((role, at) =>
          startContainer({ args: [`--role=${role}`], env: { ...env, PORT: String(ports[at]) } }),
        ),
      );
      await Promise.all(containers.map((container) => container.healthy()));
      const market = marketAt(ports[0] ?? 0);
      const load = market.load(2);
      await load.more(2);
      // In the middle of it: what was begun is finished by whoever comes next.
      const [, escrow, payments] = containers;
      if (!escrow || !payments) throw new Error("no containers");
      await Promise.all([escrow, payments].map(expectStops));
      const again = await Promise.all(
        [1, 2].map((at) =>
          startContainer({
            args: [`--role=${roles[at]}`],
            env: { ...env, PORT: String(ports[at]) },
          }),
        ),
      );
      await Promise.all(again.map((container) => container.healthy()));
      await load.more(1);
      await load.stop();
      const [api] = containers;
      if (api) await expectVerified(api);
      const left = [...containers.filter((one) => one !== escrow && one !== payments), ...again];
      await Promise.all(left.map(expectStops));
    }, 400_000);
  });
