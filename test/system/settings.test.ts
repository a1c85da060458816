/**
 * What the program refuses, and how it says so: everything that is wrong at once, each setting by its
 * name, and an exit code that a script can act on.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openPostgres } from "#platform/database/postgres";
import { emptyPlace } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { type Environment, killAll, runApp } from "../support/processes.ts";

afterAll(killAll);

const secrets = {
  JWT_SECRET: "a secret for this test, thirty-two bytes",
  DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
};

async function refusal(args: readonly string[], env: Environment = {}) {
  const place = await emptyPlace();
  const ended = await runApp(place, args, env);
  return { ...ended, touched: existsSync(join(place.folder, "data")) };
}

test.each([
  [["--prot", "1"], "Did you mean --port?"],
  [["sevre"], "Did you mean serve?"],
  [["migrate", "--dryrun"], "Did you mean --dry-run?"],
  [["migrate", "sideways"], "up or status"],
  [["token"], "--sub"],
])("wrong usage %j ends with 2 and a hint", async (args, hint) => {
  const { code, stderr, stdout, touched } = await refusal(args);
  expect({ code, stdout, touched }).toEqual({ code: 2, stdout: "", touched: false });
  expect(stderr).toContain(hint);
});

test("all unknown flags are told at once, and wrong settings beside them, with 2", async () => {
  const place = await emptyPlace();
  const file = join(place.folder, "settings.toml");
  await Bun.write(file, 'JWT_SECRT = "hunter2"\n[PORT]\nnumber = 1\n');
  const wrong = ["--prot", "1", "--zebra=hunter2", "--memroy", "--", "--operand"];
  const ended = await runApp(place, ["--config", file, ...wrong], { SHUTDOWN_TIMEOUT: "0x10" });
  expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: "" });
  expect(ended.stderr.split("\n")).toEqual([
    "error: unknown option '--prot' (Did you mean --port?)",
    "error: unknown option '--zebra'",
    "error: unknown option '--memroy' (Did you mean --memory?)",
    "wrong settings:",
    `  JWT_SECRT (file): "***"; expected a known setting's name: JWT_SECRET is one`,
    '  PORT (file): "[PORT]"; expected a plain value; tables are not supported',
    expect.stringContaining("SHUTDOWN_TIMEOUT (environment)"),
    "(app --help shows what there is)",
    "",
  ]);
  const alone = await runApp(place, ["--config", file], {});
  expect(alone.code).toBe(3);
  expect(alone.stderr).not.toContain("[object");
});

test("an option that is missing is told with those it may have been meant by", async () => {
  const { code, stderr } = await refusal(["token", "--subb", "alice", "--rol", "buyer"]);
  expect(code).toBe(2);
  for (const told of ["--sub?", "--role?", "'--sub <subject>' not specified"]) {
    expect(stderr).toContain(told);
  }
});

test("all wrong settings are named at once, secrets masked, with 3", async () => {
  const { code, stderr, touched } = await refusal(["--port", "high"], {
    APP_ROLE: "escrow,cook",
    APP_ENV: "prod",
    DATABASE_URL: "mysql://root:hunter2@db/app",
    KAFKA_BROKERS: "http://broker",
    JWT_SECRET: "hunter2",
    DATA_KEY: "c2hvcnQ=",
    SHUTDOWN_TIMEOUT: "0x10",
  });
  expect({ code, touched }).toEqual({ code: 3, touched: false });
  expect(
    [...stderr.matchAll(/^ {2}(\w+) \((\w+)\)/gm)].map(([, name, from]) => [name, from]),
  ).toEqual([
    ["APP_ROLE", "environment"],
    ["APP_ENV", "environment"],
    ["PORT", "flag"],
    ["DATABASE_URL", "environment"],
    ["KAFKA_BROKERS", "environment"],
    ["JWT_SECRET", "environment"],
    ["DATA_KEY", "environment"],
    ["SHUTDOWN_TIMEOUT", "environment"],
  ]);
  expect(stderr).not.toContain("hunter2");
});

test("a weak JWT_SECRET is refused by its name, embedded too", async () => {
  const { code, stderr, touched } = await refusal(["--port", "0"], { JWT_SECRET: "x".repeat(31) });
  expect({ code, touched }).toEqual({ code: 3, touched: false });
  expect(stderr).toContain("JWT_SECRET (environment)");
  expect(stderr).toContain("at least 32 bytes");
});

test("a server on PostgreSQL needs its secrets", async () => {
  const { code, stderr } = await refusal([], { DATABASE_URL: "postgres://127.0.0.1:1/none" });
  expect(code).toBe(3);
  expect(stderr).toContain("JWT_SECRET");
  expect(stderr).toContain("DATA_KEY");
});

test("an unreachable PostgreSQL or Kafka ends with 4", async () => {
  const env = { ...secrets, DATABASE_URL: "postgres://postgres@127.0.0.1:1/none" };
  for (const args of [["migrate"], ["--port", "0"], ["verify"]]) {
    const { code, stderr } = await refusal(args, env);
    expect({ args, code }).toEqual({ args, code: 4 });
    expect(stderr).toStartWith("unreachable: PostgreSQL");
  }
  const topics = await refusal(["topics"], { ...env, KAFKA_BROKERS: "127.0.0.1:1" });
  expect(topics.code).toBe(4);
  expect(topics.stderr).toStartWith("unreachable: Kafka");
}, 90_000);

test("what would look into a memory of its own, and find nothing wrong, is refused", async () => {
  for (const args of [
    ["verify"],
    ["audit", "verify"],
    ["dlq", "list"],
    ["erase", "--party", "bob", "--yes"],
  ]) {
    const { code, stderr } = await refusal([...args, "--memory"]);
    expect({ args, code }).toEqual({ args, code: 3 });
    expect(stderr).toContain("MEMORY");
    expect((await refusal([...args, "--help"])).stdout).not.toContain("--memory");
  }
});

test("production mints no tokens", async () => {
  const env = { ...secrets, APP_ENV: "production", DATABASE_URL: "postgres://127.0.0.1:1/none" };
  const { code, stderr } = await refusal(["token", "--sub", "eve", "--role", "admin"], env);
  expect(code).toBe(6);
  expect(stderr).toContain("refused");
});

test("production refuses embedded stores and the sandbox with 6, wrong settings still with 3", async () => {
  const embedded = await refusal(["--port", "0"], { APP_ENV: "production" });
  expect({ code: embedded.code, touched: embedded.touched }).toEqual({ code: 6, touched: false });
  expect(embedded.stderr).toContain("DATABASE_URL");
  expect(embedded.stderr).toContain("KAFKA_BROKERS");
  const servers = {
    ...secrets,
    APP_ENV: "production",
    DATABASE_URL: "postgres://postgres@127.0.0.1:1/none",
    KAFKA_ENABLED: "false",
  };
  const sandbox = await refusal(["--port", "0"], servers);
  expect(sandbox.code).toBe(6);
  expect(sandbox.stderr).toContain('"sandbox"');
  expect((await refusal(["--port", "high"], servers)).code).toBe(3);
}, 30_000);

test("a database that does not exist ends with 4, an unmigrated or newer one is refused with 6", async () => {
  const fresh: FreshPostgres = await freshPostgres();
  const env = { ...secrets, DATABASE_URL: fresh.url, KAFKA_ENABLED: "false", LOG_LEVEL: "warn" };
  try {
    const nowhere = await refusal(["migrate"], { ...env, DATABASE_URL: `${fresh.url}_not` });
    expect(nowhere.code).toBe(4);

    const unmigrated = await refusal(["--port", "0"], env);
    expect(unmigrated.code).toBe(6);
    expect(unmigrated.stderr).toContain("app migrate");

    expect((await refusal(["migrate"], env)).stdout).toContain("applied escrow/");
    expect((await refusal(["migrate"], env)).stdout).toBe("nothing to do\n");
    const db = openPostgres({ url: fresh.url, max: 1 });
    await db.sql`INSERT INTO platform.migration (module, name, checksum) VALUES ('escrow', '9999_future', 'x')`;
    await db.close();
    for (const args of [["migrate"], ["--port", "0"]]) {
      const newer = await refusal(args, env);
      expect({ args, code: newer.code }).toEqual({ args, code: 6 });
      expect(newer.stderr).toContain("escrow/9999_future");
    }
  } finally {
    await fresh.drop();
  }
}, 90_000);

test("an address that is not this machine's is named as that, not as a port in use", async () => {
  for (const host of ["192.0.2.1", "not a host", "foo", "256.1.1.1"]) {
    const { code, stderr } = await refusal(["--port", "0", "--memory", "--host", host]);
    expect({ host, code }).toEqual({ host, code: 3 });
    expect(stderr.replace(" (flag)", "")).toContain(
      `HOST: "${host}"; expected an address of this machine`,
    );
  }
});

test("--memory and --data-dir together are a usage error, in every command", async () => {
  for (const command of [[], ["serve"], ["verify"], ["doctor"]]) {
    const { code, stderr, touched } = await refusal([...command, "--memory", "--data-dir", "data"]);
    expect({ command, code, touched }).toEqual({ command, code: 2, touched: false });
    expect(stderr).toContain("--memory keeps nothing");
  }
}, 30_000);

test("a token for a server in memory is refused with what to do instead", async () => {
  const { code, stderr, stdout } = await refusal(["token", "--sub", "alice", "--memory"]);
  expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  expect(stderr).toContain("JWT_SECRET");
  const known = await refusal(["token", "--sub", "alice", "--memory"], {
    JWT_SECRET: secrets.JWT_SECRET,
  });
  expect({ code: known.code, parts: known.stdout.split(".").length }).toEqual({
    code: 0,
    parts: 3,
  });
});

test("config show says of each setting its value, where it is from, its default and its meaning", async () => {
  const env = { ...secrets, SHUTDOWN_TIMEOUT: "5" };
  const { code, stdout } = await refusal(["config", "show", "--data-dir", "elsewhere"], env);
  const lines = stdout.trimEnd().split("\n");
  expect(code).toBe(0);
  expect(lines.find((line) => line.startsWith("PORT="))).toMatch(
    /^PORT=3000 {2}# the default: HTTP/,
  );
  expect(lines.find((line) => line.startsWith("DATA_DIR="))).toContain("=elsewhere  # from flag");
  expect(lines.find((line) => line.startsWith("SHUTDOWN_TIMEOUT="))).toContain(
    "=5  # from environment, default 25: seconds",
  );
  expect(lines.find((line) => line.startsWith("JWT_SECRET="))).toContain(
    "=***  # from environment",
  );
  expect(lines.every((line) => /^[A-Z_]+=.* {2}# [^:]+: \S/.test(line))).toBe(true);
  expect(stdout).not.toContain(secrets.JWT_SECRET);

  const asJson = await refusal(["config", "--json"], env);
  const { settings } = JSON.parse(asJson.stdout) as { settings: Record<string, unknown>[] };
  expect(settings).toHaveLength(lines.length);
  expect(settings.find(({ name }) => name === "DATA_KEY")).toEqual({
    name: "DATA_KEY",
    value: "***",
    default: "",
    origin: "environment",
    secret: true,
    meaning: expect.stringContaining("base64 of 32 bytes"),
  });
});

test("every command tells of itself with two examples, and an unknown flag ends with 2 and a sentence", async () => {
  const { stdout } = await refusal(["--help"]);
  const listed = /Commands:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? "";
  const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(12);
  for (const flag of ["--role", "--port", "--host", "--data-dir", "--memory", "--config"]) {
    expect(stdout).toContain(`\n  ${flag} `);
  }
  for (const name of names.filter((one) => one !== "help")) {
    const help = await refusal([name, "--help"]);
    expect({ name, code: help.code }).toEqual({ name, code: 0 });
    expect(help.stdout).toContain(`Usage: app ${name}`);
    if (name !== "version") expect(help.stdout).toContain("Examples:\n  app");
    const { code, stderr, touched } = await refusal([
      name,
      "--nonsense",
      "--sub",
      "x",
      "--party",
      "x",
    ]);
    expect({ name, code, touched }).toEqual({ name, code: 2, touched: false });
    expect(stderr).toContain("unknown option");
  }
}, 120_000);
