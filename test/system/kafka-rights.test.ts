/**
 * The printed rights on a broker that lets nobody do what was not granted: with them, and a user of
 * its own, each role plays its part in a whole sale; what a role has no business with is refused.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import {
  type AclEntry,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from "kafkajs";
import { kafkaJars } from "../../scripts/backing/install.ts";
import { run } from "../../scripts/process.ts";
import { type KafkaUser, kafkaUsers } from "../../src/kafka-rights.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { type FreshPostgres, freshPostgres } from "../support/databases.ts";
import { eventually } from "../support/logs.ts";
import {
  type AppProcess,
  type Environment,
  killAll,
  runApp,
  startApp,
  verify,
} from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";
import { type SecuredKafka, startSecuredKafka } from "../support/secured-kafka.ts";

interface UserResource {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly authorization: {
      readonly acls: readonly {
        readonly resource: { readonly type: "topic" | "group"; readonly name: string };
        readonly operations: readonly string[];
      }[];
    };
  };
}

const roles = ["api", "escrow", "payments", "projections", "outbox"] as const;
const prefix = "shop.";
const passwordOf = (user: KafkaUser): string => `secret-of-${user}`;

if (process.env.KAFKA_BROKERS !== undefined && process.env.DATABASE_URL !== undefined)
  describe("a broker that allows only what was granted", () => {
    let secured: SecuredKafka;
    let postgres: FreshPostgres;
    let place: Place;
    let env: Environment;

    const as = (user: KafkaUser): Environment => ({
      ...env,
      KAFKA_SASL_MECHANISM: "scram-sha-512",
      KAFKA_SASL_USERNAME: `app-${user}`,
      KAFKA_SASL_PASSWORD: passwordOf(user),
    });

    beforeAll(async () => {
      const users = kafkaUsers.map((user) => [`app-${user}`, passwordOf(user)] as const);
      [secured, postgres, place] = await Promise.all([
        startSecuredKafka(Object.fromEntries(users), []),
        freshPostgres(),
        emptyPlace(),
      ]);
      env = {
        DATABASE_URL: postgres.url,
        KAFKA_BROKERS: secured.kafka.door("USERS"),
        KAFKA_TOPIC_PREFIX: prefix,
        JWT_SECRET: "a secret for this test, thirty-two bytes",
        DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
        LOG_LEVEL: "warn",
      };
      expect((await runApp(place, ["migrate"], env)).code).toBe(0);
    }, 180_000);
    afterAll(async () => {
      await killAll();
      await postgres?.drop();
      await secured?.stop();
    }, 60_000);

    test("seed B6: without a right nobody sees a topic; the operator's commands, run as printed, make them", async () => {
      const before = await runApp(place, ["serve", "--role", "escrow"], as("escrow"));
      expect(before.code).toBe(6);
      expect(before.stderr).toContain("topics are missing, or may not be seen (shop.escrow.comm");
      await runPrinted("operator");
      const made = await runApp(place, ["topics"], as("operator"));
      expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: "" });
    }, 180_000);

    test("seed B6: each role with its own user plays its part in a whole sale", async () => {
      await grantPrinted();
      const fleet = new Map<KafkaUser, AppProcess>(
        roles.map((role) => [role, startApp(place, [`--role=${role}`, "--port", "0"], as(role))]),
      );
      const urls = await Promise.all([...fleet.values()].map((app) => app.ready(120_000)));
      const sold = await runReadmeSale(place, urls[0] ?? "", env);
      expect(sold.state).toBe("RELEASED");
      expect(sold.funds).toEqual(fundsOfSale);
      const complaints = [...fleet.values()].map((app) => app.stderr()).join("");
      expect(complaints).not.toContain("AUTHORIZATION");
      expect(await verify(place, as("operator"))).toMatchObject({ ok: true, broken: [] });
      for (const app of fleet.values()) expect((await app.stop()).code).toBe(0);
    }, 300_000);

    test.each([...roles, "operator"] as const)(
      "seed B6: the doctor finds %s well with its own user",
      async (user) => {
        const role = user === "operator" ? "all" : user;
        const { code, stdout } = await runApp(place, ["doctor", "--role", role], as(user));
        expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("rights") });
        expect(stdout).not.toContain("FAIL");
      },
      120_000,
    );

    test("seed B6: where a connector publishes, the outbox's user may read what it writes, in a group", async () => {
      const cdc = { ...as("outbox"), OUTBOX_PUBLISHER: "cdc" };
      const app = startApp(place, ["--role=outbox", "--port", "0"], cdc);
      const url = await app.ready(120_000);
      await eventually(async () => (await fetch(`${url}/readyz`)).ok, 120_000);
      expect(app.stderr()).not.toContain("AUTHORIZATION");
      expect((await app.stop()).code).toBe(0);
    }, 300_000);

    test("seed B6: one process for all roles, with the user of all", async () => {
      const app = startApp(place, ["--port", "0"], as("all"));
      const sold = await runReadmeSale(place, await app.ready(120_000), env, "sale-2");
      expect(sold.state).toBe("RELEASED");
      expect(app.stderr()).not.toContain("AUTHORIZATION");
      expect((await app.stop()).code).toBe(0);
    }, 240_000);

    test("seed B6: a stolen password does not make events: the outbox with a reader's user is refused", async () => {
      const started = await runApp(place, ["--role=outbox", "--port", "0"], as("api"));
      expect(started.code).toBe(6);
      expect(started.stderr).toContain("may not be seen");
      const { code, stdout } = await runApp(
        place,
        ["doctor", "--role", "outbox"],
        as("projections"),
      );
      expect(code).toBe(5);
      expect(stdout).toContain("FAIL topics");

      const reader = { ...as("projections"), KAFKA_VALIDATE_ON_STARTUP: "false" };
      const outbox = startApp(place, ["--role=outbox", "--port", "0"], reader);
      const api = startApp(place, ["--role=api", "--port", "0"], as("api"));
      const escrow = startApp(place, ["--role=escrow", "--port", "0"], as("escrow"));
      await Promise.all([outbox, api, escrow].map((app) => app.ready(120_000)));
      const sale = runReadmeSale(place, await api.ready(), env, "sale-3").catch(() => undefined);
      const line = "topic shop.escrow.events.v1 cannot be used: this user has no right to";
      await eventually(() => outbox.stderr().includes(line), 120_000);
      await killAll();
      await sale;
    }, 300_000);

    /** The lines of one user, by Kafka's own tool under the name the script calls it by. */
    async function runPrinted(user: KafkaUser): Promise<void> {
      const { stdout } = await runApp(place, ["topics", "--format", "acls"], env);
      const lines = stdout
        .split("\n")
        .filter((line) => !line.startsWith("kafka-acls.sh") || line.includes(`User:app-${user} `));
      const tool = join(place.folder, "kafka-acls.sh");
      const jars = join((await kafkaJars()) ?? "", "*");
      await Bun.write(
        tool,
        `#!/bin/sh\nexec java -cp '${jars}' org.apache.kafka.tools.AclCommand "$@"\n`,
      );
      chmodSync(tool, 0o755);
      const script = join(place.folder, "acls.sh");
      await Bun.write(script, `PATH="${place.folder}:$PATH"\n${lines.join("\n")}`);
      await run(["sh", script, "--bootstrap-server", secured.kafka.brokers]);
    }

    /** All users as the Strimzi operator would read them; one call instead of a tool run for each. */
    async function grantPrinted(): Promise<void> {
      const printed = await runApp(place, ["topics", "--format", "strimzi-users"], env);
      const users = Bun.YAML.parse(printed.stdout) as (UserResource | null)[];
      const kafka = new Kafka({ brokers: [secured.kafka.brokers], logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      await admin.connect();
      try {
        await admin.createAcls({ acl: users.flatMap((user) => (user ? entriesOf(user) : [])) });
      } finally {
        await admin.disconnect();
      }
    }
  });

function entriesOf({ metadata, spec }: UserResource): AclEntry[] {
  return spec.authorization.acls.flatMap(({ resource, operations }) =>
    operations.map((operation) => ({
      principal: `User:${metadata.name}`,
      host: "*",
      resourceType: resource.type === "topic" ? AclResourceTypes.TOPIC : AclResourceTypes.GROUP,
      resourceName: resource.name,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      permissionType: AclPermissionTypes.ALLOW,
      operation: operationOf(operation),
    })),
  );
}

function operationOf(name: string): AclOperationTypes {
  const key = name.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
  const known = (AclOperationTypes as unknown as Readonly<Record<string, AclOperationTypes>>)[key];
  if (known === undefined) throw new Error(`no operation is named ${name}`);
  return known;
}
