// Seed A10, bad input B28: a line says who wrote it, and nothing that opens a door.
import { expect, test } from "bun:test";
import { join } from "node:path";

const program = `
  import { createLogger } from ${JSON.stringify(join(import.meta.dir, "logger.ts"))};
  const logger = createLogger({ level: "info", pretty: false, fields: { role: "escrow" } });
  const canaries = Object.fromEntries(process.argv.slice(1).map((name) => [name, "canary-" + name]));
  logger.info({ ...canaries, seen: "top" }, "a line");
  logger.child({ consumer: "c" }).warn({ inside: canaries, err: new Error("broken") }, "another");
  logger.debug({}, "unseen");
  console.log(logger.isLevelEnabled?.("debug"));
`;
const names = [
  "authorization",
  "password",
  "secret",
  "token",
  "apiKey",
  "dataKey",
  "clientSecret",
  "signature",
  "cookie",
];

test("secrets are masked by their names, at the top of a line and one level below; the role is on each", () => {
  const ended = Bun.spawnSync([process.execPath, "-e", program, ...names]);
  const text = ended.stderr.toString();
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.map(({ msg }) => msg)).toEqual(["a line", "another"]);
  for (const name of names)
    expect({ name, told: text.includes(`canary-${name}`) }).toEqual({ name, told: false });
  expect(lines[0]).toMatchObject({ role: "escrow", seen: "top", secret: "[Redacted]" });
  expect(lines[1]).toMatchObject({ role: "escrow", consumer: "c", err: { message: "broken" } });
  expect(ended.stdout.toString().trim()).toBe("false");
});

test("a hiccup is told in one line with its cause; anything else with where it was thrown", () => {
  const errors = JSON.stringify(join(import.meta.dir, "..", "errors.ts"));
  const hiccups = `
    import { TransientError } from ${errors};
    import { createLogger } from ${JSON.stringify(join(import.meta.dir, "logger.ts"))};
    const hiccup = new TransientError("no broker", { cause: new Error("connection refused") });
    createLogger({ level: "info", pretty: false }).warn({ err: hiccup }, "again");
    createLogger({ level: "info", pretty: false }).warn({ err: new Error("a bug") }, "a bug");
    createLogger({ level: "debug", pretty: false }).warn({ err: hiccup }, "again");
  `;
  const [hiccup, bug, whole] = Bun.spawnSync([process.execPath, "-e", hiccups])
    .stderr.toString()
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { err: Record<string, unknown> }).err);
  const told = { type: "TransientError", message: "no broker", cause: "connection refused" };
  expect(hiccup).toEqual(told);
  expect(bug?.["stack"]).toContain("a bug");
  expect(whole?.["stack"]).toContain("no broker");
});

test("an error is told by its own name: its class has another one in each compiled program", () => {
  const errors = `
    import { createLogger } from ${JSON.stringify(join(import.meta.dir, "logger.ts"))};
    class yy extends Error {}
    const logger = createLogger({ level: "info", pretty: false });
    logger.warn({ err: Object.assign(new yy("x"), { name: "KafkaJSError" }) }, "of Kafka's client");
    logger.warn({ err: Object.assign(new yy("x"), { name: "yy", code: "23514" }) }, "of a database");
  `;
  const types = Bun.spawnSync([process.execPath, "-e", errors])
    .stderr.toString()
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { err: { type: string } }).err.type);
  expect(types).toEqual(["KafkaJSError", "PostgresError"]);
});
