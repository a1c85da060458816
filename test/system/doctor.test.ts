/** `app doctor` as an operator runs it: what is well, what is not, and what to do, by exit code too. */
import { afterAll, describe, expect, test } from "bun:test";
import { openPostgres } from "#platform/database/postgres";
import { startStripeSimulator } from "../../src/simulators/stripe/index.ts";
import { emptyPlace } from "../support/binary.ts";
import { freshPostgres } from "../support/databases.ts";
import { unique } from "../support/logs.ts";
import { type Environment, killAll, runApp, startApp } from "../support/processes.ts";

afterAll(killAll);

interface Line {
  readonly area: string;
  readonly verdict: string;
  readonly text: string;
  readonly remedy?: string;
}

async function doctor(env: Environment, ...args: string[]) {
  const { code, stdout, stderr } = await runApp(
    await emptyPlace(),
    ["doctor", "--json", ...args],
    env,
  );
  if (stdout === "") throw new Error(`doctor ended with ${code}: ${stderr}`);
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Line[] };
  return { code, ok, findings, failed: findings.filter(({ verdict }) => verdict === "fail") };
}

const secrets = {
  JWT_SECRET: "a secret for this test, thirty-two bytes",
  DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
};

test("seed E6: with nothing set up there is nothing wrong", async () => {
  const { code, ok, findings } = await doctor({});
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  expect(findings.map(({ area }) => area)).toEqual(["settings", "database", "kafka", "provider"]);
}, 60_000);

test("seed E6: what cannot be reached ends with 4, each with a remedy", async () => {
  const { code, failed } = await doctor({
    ...secrets,
    DATABASE_URL: "postgres://postgres@127.0.0.1:1/none",
    KAFKA_BROKERS: "nowhere.invalid:9092",
    CUSTODIAN_URL: "http://127.0.0.1:1",
    CUSTODIAN_API_KEY: "key:a-secret-of-the-custodian",
    CUSTODIAN_WEBHOOK_SECRET: "a secret of the webhooks",
  });
  expect(code).toBe(4);
  expect(failed.map(({ area }) => area)).toEqual(["database", "kafka", "provider"]);
  expect(failed[1]?.text).toContain("the name nowhere.invalid is unknown");
  expect(failed.every(({ remedy }) => remedy !== undefined)).toBe(true);
}, 60_000);

test("seed E6: a Stripe that takes the key is well", async () => {
  const simulator = startStripeSimulator({ goesOn: false });
  try {
    const env = {
      STRIPE_API_BASE: simulator.url,
      STRIPE_WEBHOOK_SECRET: "whsec_x",
      STRIPE_PUBLISHABLE_KEY: "pk_test_x",
    };
    const provider = async (STRIPE_SECRET_KEY: string) =>
      (await doctor({ ...env, STRIPE_SECRET_KEY })).findings.find(
        ({ area }) => area === "provider",
      );
    expect(await provider("sk_test_x")).toMatchObject({
      verdict: "ok",
      text: "Stripe takes the key",
    });
  } finally {
    await simulator.stop();
  }
}, 60_000);

test("seed E6: what serve refuses, doctor names first, each with what would be taken", async () => {
  const unreachable = "postgres://postgres@127.0.0.1:1/none";
  const bare = await doctor({ DATABASE_URL: unreachable });
  expect(bare.failed.filter(({ area }) => area === "settings")).toEqual([
    expect.objectContaining({
      text: "JWT_SECRET is missing, and `app serve` refuses that",
      remedy: expect.stringContaining("at least 32 bytes"),
    }),
    expect.objectContaining({ text: expect.stringContaining("DATA_KEY is missing") }),
  ]);

  const env = { ...secrets, APP_ENV: "production", STRIPE_SECRET_KEY: "sk_test_play" };
  const play = await doctor({
    ...env,
    STRIPE_WEBHOOK_SECRET: "whsec_x",
    STRIPE_API_BASE: "http://127.0.0.1:1",
  });
  const served = await runApp(await emptyPlace(), ["--port", "0"], {
    ...env,
    STRIPE_WEBHOOK_SECRET: "whsec_x",
    STRIPE_API_BASE: "http://127.0.0.1:1",
  });
  expect(served.code).toBe(6);
  const refused = served.stderr.matchAll(/^ {2}(\w+) \(/gm).map(([, name]) => `${name}`);
  const named = play.failed
    .filter(({ area }) => area === "settings")
    .map(({ text }) => text.split(" ")[0]);
  expect(named).toEqual([...refused]);
  expect(named).toContain("DATABASE_URL");
  expect(play.code).not.toBe(0);
}, 60_000);

test("seed E6: a DATA_KEY of another database and a moved clock are found before a start finds them", async () => {
  const fresh = await freshPostgres();
  const env = { ...secrets, DATABASE_URL: fresh.url, LOG_LEVEL: "warn" };
  const production = {
    APP_ENV: "production",
    KAFKA_ENABLED: "false",
    CUSTODIAN_URL: "https://127.0.0.1:1",
    CUSTODIAN_API_KEY: "key:a-secret-of-the-custodian",
    CUSTODIAN_WEBHOOK_SECRET: "a secret of the webhooks",
    SCREENING_URL: "https://127.0.0.1:1",
    SCREENING_API_KEY: "x",
  };
  try {
    expect((await runApp(await emptyPlace(), ["migrate"], env)).code).toBe(0);
    const unused = await doctor(env);
    expect(unused.findings.map(({ text }) => text)).toContain(
      "DATA_KEY opens a database nobody has used yet",
    );
    const server = startApp(await emptyPlace(), ["--port", "0"], env);
    await server.ready();
    await server.stop();
    const other = { ...env, DATA_KEY: Buffer.alloc(32, 8).toString("base64") };
    const wrong = await doctor(other);
    expect(wrong.code).toBe(5);
    expect(wrong.failed).toEqual([
      expect.objectContaining({ area: "settings", text: expect.stringContaining("DATA_KEY") }),
    ]);
    expect((await runApp(await emptyPlace(), ["--port", "0"], other)).code).toBe(6);

    const db = openPostgres({ url: fresh.url, max: 1 });
    await db.sql`UPDATE escrow.clock SET offset_ms = ${93_600_000n}`;
    await db.close();
    const moved = await doctor(env);
    expect(moved.failed).toEqual([]);
    expect(moved.findings.map(({ text }) => text)).toContain(
      "the test clock is P1DT2H ahead: deadlines fall by it",
    );
    const real = await doctor({ ...env, ...production });
    expect(real.failed.map(({ area }) => area)).toContain("clock");
    const refused = await runApp(await emptyPlace(), ["--port", "0"], { ...env, ...production });
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain("test clock is P1DT2H ahead");
  } finally {
    await fresh.drop();
  }
}, 120_000);
if (process.env.DATABASE_URL !== undefined)
  test("rows that do not leave for the log are named, whoever should publish them", async () => {
    const { url, drop } = await freshPostgres();
    const env = { ...secrets, DATABASE_URL: url };
    expect((await runApp(await emptyPlace(), ["migrate"], env)).code).toBe(0);
    const outboxLines = async () =>
      (await doctor(env)).findings.filter(({ area }) => area === "outbox");
    expect(await outboxLines()).toMatchObject([{ verdict: "ok" }]);
    const db = openPostgres({ url, max: 1 });
    await db.sql`
      INSERT INTO payments.outbox (shard, id, aggregatetype, aggregateid, type, payload, headers, at)
      VALUES (0, 'evt_1', 'payments.events.v1', 'esc_1', 'x', '', '{}', now() - interval '1 hour'),
             (0, 'evt_2', 'payments.events.v1', 'esc_1', 'x', '', '{}', now())`;
    const [line] = await outboxLines();
    expect(line).toMatchObject({ verdict: "warn", remedy: expect.stringContaining("OutboxStuck") });
    expect(line?.text).toContain("1 messages of payments have waited");
    await db.close();
    await drop();
  }, 60_000);

const { KAFKA_BROKERS } = process.env;
if (KAFKA_BROKERS !== undefined)
  describe("with a broker", () => {
    test("seed E6: missing topics end with 5; once made, rights, lag and clock are looked at", async () => {
      const env = { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX: `${unique("doctor")}.` };
      const before = await doctor(env);
      expect(before.code).toBe(5);
      expect(new Set(before.failed.map(({ area }) => area))).toEqual(new Set(["topics"]));
      expect(before.failed[0]?.remedy).toContain("app topics");
      expect((await runApp(await emptyPlace(), ["topics"], { ...env, MEMORY: "true" })).code).toBe(
        0,
      );
      const after = await doctor(env);
      expect(after).toMatchObject({ code: 0, ok: true, failed: [] });
      expect(new Set(after.findings.map(({ area }) => area))).toEqual(
        new Set(["settings", "database", "kafka", "topics", "rights", "lag", "clock", "provider"]),
      );
    }, 120_000);
  });
