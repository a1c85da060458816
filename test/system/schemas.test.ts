/**
 * The compiled program with a schema registry: every topic framed, read by a stranger who has only
 * Kafka and the registry; and a registry that is down, that refuses, and that comes later.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { allTopics } from "#topics";
import type { Finding } from "../../src/doctor/finding.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { eventually, unique } from "../support/logs.ts";
import { type AppProcess, killAll, runApp, startApp, verify } from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";
import { type OpenRegistry, registryKinds } from "../support/registries.ts";
import { startFakeRegistry } from "../support/schema-registry.ts";
import { decodeBySchema, valuesOf } from "../support/stranger.ts";

afterAll(killAll);

/** Nobody listens there. */
const nowhere = "127.0.0.1:1";

async function topics(env: Record<string, string>, ...args: string[]) {
  return runApp(await emptyPlace(), ["topics", ...args], {
    KAFKA_BROKERS: nowhere,
    MEMORY: "true",
    ...env,
  });
}

test("bad input: a registry that is down: set-up ends with 4 and names it", async () => {
  const ended = await topics({ KAFKA_SCHEMA_REGISTRY_URL: `http://${nowhere}` });
  expect(ended.code).toBe(4);
  expect(ended.stderr).toContain(
    `unreachable: the schema registry at http://${nowhere} cannot be used`,
  );
}, 60_000);

test("K2: a schema that would stop readers ends with 6 and says why; a dry run too", async () => {
  const fake = startFakeRegistry({ login: "app:secret" });
  const name = "escrow.events.v1-value";
  const place = await emptyPlace();
  const passwordFile = `${place.folder}/password`;
  await Bun.write(passwordFile, "secret\n");
  const env = {
    KAFKA_SCHEMA_REGISTRY_URL: fake.url,
    KAFKA_SCHEMA_REGISTRY_USERNAME: "app",
    KAFKA_SCHEMA_REGISTRY_PASSWORD_FILE: passwordFile,
  };
  const schema = { schemaType: "PROTOBUF", schema: 'syntax = "proto3"; message Old {}' };
  for (const [subject, ours] of [
    ["buf/validate/validate.proto", "proto/buf/validate/validate.proto"],
    ["escrow/v1/types.proto", "proto/escrow/v1/types.proto"],
  ] as const) {
    const references = subject.startsWith("buf")
      ? []
      : [
          {
            name: "buf/validate/validate.proto",
            subject: "buf/validate/validate.proto",
            version: 1,
          },
        ];
    await post(fake.url, subject, {
      ...schema,
      schema: await Bun.file(new URL(`../../${ours}`, import.meta.url)).text(),
      references,
    });
  }
  await post(fake.url, name, schema);
  fake.incompatible(name, "MESSAGE_REMOVED: #/Old");
  for (const args of [[], ["--dry-run"]]) {
    const ended = await topics(env, ...args);
    expect(ended.code).toBe(6);
    expect(ended.stderr).toContain(`${name}: MESSAGE_REMOVED: #/Old`);
  }
  expect(fake.subjects.get(name)).toHaveLength(1);
  const wrong = await topics({ ...env, KAFKA_SCHEMA_REGISTRY_USERNAME: "stranger" });
  expect(wrong.code).toBe(4);
  expect(wrong.stderr).toContain("Unauthorized (401)");
  fake.stop();
}, 60_000);

test("seed E6: the doctor says what the registry lacks, or that it cannot be used", async () => {
  const fake = startFakeRegistry();
  const look = async () => {
    const env = { KAFKA_BROKERS: nowhere, KAFKA_SCHEMA_REGISTRY_URL: fake.url };
    const { stdout } = await runApp(await emptyPlace(), ["doctor", "--json"], env);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    return findings.filter(({ area }) => area === "schemas");
  };
  const lacking = await look();
  expect(lacking).toContainEqual({
    area: "schemas",
    verdict: "fail",
    text: "the registry lacks this version of escrow.events.v1-value",
    remedy: "run `app topics`",
  });
  // Registering comes before the brokers are asked, which are not there.
  expect((await topics({ KAFKA_SCHEMA_REGISTRY_URL: fake.url })).code).toBe(4);
  expect(await look()).toEqual([
    { area: "schemas", verdict: "ok", text: "the registry has all 9 of this version" },
  ]);
  fake.stop();
  expect(await look()).toMatchObject([{ verdict: "fail", unreachable: true }]);
}, 60_000);

test("a password in the URL, or a user without one, ends with 3", async () => {
  const ended = await topics({ KAFKA_SCHEMA_REGISTRY_URL: "http://u:p@registry" });
  expect(ended.code).toBe(3);
  expect(ended.stderr).toContain("KAFKA_SCHEMA_REGISTRY_URL (environment)");
  const half = await topics({ KAFKA_SCHEMA_REGISTRY_USERNAME: "app" });
  expect(half.code).toBe(3);
  expect(half.stderr).toContain("KAFKA_SCHEMA_REGISTRY_PASSWORD");
}, 60_000);

async function post(url: string, subject: string, body: object): Promise<void> {
  await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
    method: "POST",
    headers: { Authorization: `Basic ${Buffer.from("app:secret").toString("base64")}` },
    body: JSON.stringify(body),
  });
}

const brokers = process.env.KAFKA_BROKERS;
if (brokers !== undefined)
  describe("on a broker", () => {
    const prefix = `${unique("schemas")}.`;
    let place: Place;
    let postgres: FreshPostgres;
    let registry: OpenRegistry;
    let plain: Record<string, string>;
    let env: Record<string, string>;
    let app: AppProcess;

    beforeAll(async () => {
      place = await emptyPlace();
      postgres = await freshPostgres();
      // One that is not ours, where there is one.
      const [ours, ...others] = registryKinds;
      registry = await (others[0] ?? ours).open();
      plain = {
        KAFKA_BROKERS: brokers,
        KAFKA_TOPIC_PREFIX: prefix,
        DATABASE_URL: postgres.url,
        JWT_SECRET: "a secret for this test, thirty-two bytes",
        DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
        LOG_LEVEL: "warn",
        PORT: "0",
      };
      env = { ...plain, KAFKA_SCHEMA_REGISTRY_URL: registry.url };
      expect((await runApp(place, ["migrate"], env)).code).toBe(0);
    }, 240_000);
    afterAll(async () => {
      await killAll();
      await registry?.close();
      await postgres?.drop();
    }, 60_000);

    test("K1: set-up tells, registers, and finds nothing the second time; before it no server starts", async () => {
      expect((await runApp(place, ["topics"], plain)).code).toBe(0);
      const early = await runApp(place, ["serve"], env);
      expect(early.code).toBe(6);
      expect(early.stderr).toContain(`${prefix}escrow.commands.v1-value`);
      expect(early.stderr).toContain("run `app topics`");
      const differs = await runApp(place, ["topics", "--diff", "--json"], env);
      expect(differs.code).toBe(5);
      expect(JSON.parse(differs.stdout).schemas).toContainEqual({
        kind: "register",
        subject: `${prefix}escrow.events.v1-value`,
        wanted: "escrow.events.v1",
      });
      expect((await runApp(place, ["topics"], env)).code).toBe(0);
      const again = await runApp(place, ["topics", "--diff"], env);
      expect(again).toMatchObject({ code: 0, stdout: "nothing to do\n" });
    }, 240_000);

    test("K1: a whole sale is framed, and a stranger reads it with Kafka and the registry alone", async () => {
      app = startApp(place, ["serve"], env);
      const sold = await runReadmeSale(place, await app.ready(150_000), env);
      expect(sold.funds).toEqual(fundsOfSale);
      const states: string[] = [];
      for (const { name, schema } of allTopics) {
        const values = await valuesOf(brokers, prefix + name);
        if (name !== "contracts.events.v1" && name !== "treasury.events.v1") {
          expect({ name, values: values.length }).not.toEqual({ name, values: 0 });
        }
        for (const value of values.slice(-2)) {
          const { type, json } = await decodeBySchema(registry.url, value);
          expect(type).toBe(schema.typeName);
          states.push(JSON.stringify(json));
        }
        expect(values.filter(({ value }) => value[0] !== 0)).toEqual([]);
      }
      expect(states.some((text) => text.includes(`"escrowId":"${sold.escrowId}"`))).toBe(true);
    }, 400_000);

    test("bad input: a registry that is down at a restart is not missed", async () => {
      await app.stop();
      await registry.close();
      app = startApp(place, ["serve"], env);
      const url = await app.ready(150_000);
      expect(app.stderr()).toContain("the ids of the last start serve");
      const before = (await valuesOf(brokers, `${prefix}escrow.events.v1`)).length;
      expect((await runReadmeSale(place, url, env, "sale-2")).funds).toEqual(fundsOfSale);
      const values = await valuesOf(brokers, `${prefix}escrow.events.v1`);
      expect(values.length).toBeGreaterThan(before);
      expect(new Set(values.map(({ value }) => value.subarray(0, 6).toString("hex"))).size).toBe(1);
    }, 400_000);

    test("K2: without a registry the same program reads what was framed, and goes on bare", async () => {
      await app.stop();
      app = startApp(place, ["serve"], plain);
      expect((await runReadmeSale(place, await app.ready(150_000), plain, "sale-3")).funds).toEqual(
        fundsOfSale,
      );
      const values = await valuesOf(brokers, `${prefix}escrow.events.v1`);
      expect(new Set(values.map(({ value }) => value[0] === 0))).toEqual(new Set([true, false]));
      await app.stop();
      expect((await runApp(place, ["rebuild"], plain)).code).toBe(0);
      expect(await verify(place, plain)).toMatchObject({ ok: true, broken: [] });
    }, 400_000);

    test("bad input: down at the first start: not ready, says so, sends nothing bare, and recovers", async () => {
      const fake = startFakeRegistry();
      const own = { ...env, KAFKA_SCHEMA_REGISTRY_URL: fake.url };
      expect((await runApp(place, ["topics"], own)).code).toBe(0);
      fake.stop();
      const bare = async () =>
        (await valuesOf(brokers, `${prefix}escrow.commands.v1`)).filter(
          ({ value }) => value[0] !== 0,
        ).length;
      const before = await bare();
      app = startApp(place, ["serve"], own);
      const address = () => /^ {2}API +(\S+)$/m.exec(app.stdout())?.[1] ?? "";
      const readyz = async () =>
        address() === "" ? "" : (await fetch(`${address()}/readyz`)).text();
      await eventually(async () => (await readyz()).includes("cannot work"), 120_000);
      expect(await readyz()).not.toContain(fake.url);
      await eventually(
        () => app?.stderr().includes(`the schema registry at ${fake.url}`) === true,
        60_000,
      );
      expect(app.stdout()).not.toContain("\nready ");
      const { stdout: token } = await runApp(place, ["token", "--sub", "al"], own);
      const refused = await fetch(`${address()}/v1/escrows`, {
        method: "POST",
        headers: {
          Authorization: `Bearer ${token.trim()}`,
          "Content-Type": "application/json",
          "Idempotency-Key": "early",
        },
        body: JSON.stringify({
          buyerId: "al",
          sellerId: "bo",
          title: "early",
          amount: { amount: "10000", currency: "USD" },
        }),
      });
      expect(refused.status).toBe(503);
      fake.start();
      const sold = await runReadmeSale(place, await app.ready(150_000), own, "sale-4");
      expect(sold.funds).toEqual(fundsOfSale);
      expect(await bare()).toBe(before);
      await app.stop();
      fake.stop();
    }, 400_000);
  });
