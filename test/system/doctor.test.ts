/** `app doctor` as an operator runs it: what is well, what is not, and what to do, by exit code too. */
import { afterAll, describe, expect, test } from "bun:test";
import { emptyPlace } from "../support/binary.ts";
import { unique } from "../support/logs.ts";
import { type Environment, killAll, runApp } from "../support/processes.ts";

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

test("seed E6: with nothing set up there is nothing wrong", async () => {
  const { code, ok, findings } = await doctor({});
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  expect(findings.map(({ area }) => area)).toEqual(["settings", "database", "kafka", "provider"]);
}, 60_000);

test("seed E6: what cannot be reached ends with 4, each with a remedy", async () => {
  const { code, failed } = await doctor({
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

const { KAFKA_BROKERS } = process.env;
if (KAFKA_BROKERS !== undefined)
  describe("with a broker", () => {
    test("seed E6: missing topics end with 5; once made, rights, lag and clock are looked at", async () => {
      const env = { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX: `${unique("doctor")}.` };
      const before = await doctor(env, "--role", "escrow");
      expect(before.code).toBe(5);
      expect(new Set(before.failed.map(({ area }) => area))).toEqual(new Set(["topics"]));
      expect(before.failed[0]?.remedy).toContain("app topics");
      expect((await runApp(await emptyPlace(), ["topics"], { ...env, MEMORY: "true" })).code).toBe(
        0,
      );
      const after = await doctor(env, "--role", "escrow");
      expect(after).toMatchObject({ code: 0, ok: true, failed: [] });
      expect(new Set(after.findings.map(({ area }) => area))).toEqual(
        new Set(["settings", "database", "kafka", "topics", "rights", "lag", "clock", "provider"]),
      );
    }, 120_000);
  });
