/**
 * Setting the topics up with the compiled program on a real broker: what differs is told, repaired
 * once, and refused where it would break the order of keys or the promise.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { connect, createServer } from "node:net";
import { Kafka, logLevel } from "kafkajs";
import { allTopics } from "#topics";
import { kafkaUsers } from "../../src/kafka-rights.ts";
import { emptyPlace } from "../support/binary.ts";
import { eventually, unique } from "../support/logs.ts";
import { type Environment, killAll, runApp, startApp } from "../support/processes.ts";

afterAll(killAll);

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly topicName?: string;
    readonly partitions?: number;
    readonly config?: Readonly<Record<string, string>>;
    readonly authorization?: {
      readonly acls: readonly {
        readonly resource: { readonly type: string; readonly name: string };
        readonly operations: readonly string[];
      }[];
    };
  };
}

async function resources(args: readonly string[], env: Environment = {}): Promise<Resource[]> {
  const { code, stdout } = await runApp(await emptyPlace(), ["topics", ...args], env);
  expect(code).toBe(0);
  return (Bun.YAML.parse(stdout) as (Resource | null)[]).filter((one) => one !== null);
}

test("strimzi gets each topic of the catalogue, its dead letters, and chosen names", async () => {
  const found = await resources(["--format", "strimzi"], {
    KAFKA_TOPIC_PREFIX: "shop.",
    KAFKA_TOPIC_ESCROW_EVENTS: "Deals_v1",
  });
  expect(found).toHaveLength(allTopics.length * 2 + 1);
  expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["KafkaTopic"]));
  const byTopic = new Map(found.map((one) => [one.spec.topicName, one]));
  expect(byTopic.get("Deals_v1")?.metadata.name).toBe("deals-v1");
  expect(byTopic.has("Deals_v1.dlq")).toBe(true);
  expect(byTopic.get("shop.escrow.commands.v1")?.spec).toMatchObject({
    partitions: 12,
    replicas: 3,
    config: { "message.timestamp.type": "LogAppendTime", "min.insync.replicas": "2" },
  });
}, 60_000);

test("only the outbox may write events", async () => {
  const users = await resources(["--format", "strimzi-users"]);
  expect(users.map(({ metadata }) => metadata.name)).toEqual(kafkaUsers.map((u) => `app-${u}`));
  const writers = users.filter(({ spec }) =>
    spec.authorization?.acls.some(
      ({ resource, operations }) =>
        resource.name === "escrow.events.v1" && operations.includes("Write"),
    ),
  );
  expect(writers.map(({ metadata }) => metadata.name)).toEqual(["app-outbox", "app-all"]);
}, 60_000);

test("two topics of one name, and a name that is none, are refused with 3", async () => {
  const { code, stderr } = await runApp(await emptyPlace(), ["topics", "--format", "strimzi"], {
    KAFKA_TOPIC_ESCROW_EVENTS: "one",
    KAFKA_TOPIC_PAYMENTS_EVENTS: "one",
  });
  expect(code).toBe(3);
  expect(stderr).toContain("names that differ");
  const bad = await runApp(await emptyPlace(), ["topics"], { KAFKA_TOPIC_ESCROW_EVENTS: "a/b" });
  expect(bad.code).toBe(3);
  expect(bad.stderr).toContain("KAFKA_TOPIC_ESCROW_EVENTS (environment)");
}, 60_000);

const brokers = process.env.KAFKA_BROKERS;
if (brokers !== undefined)
  describe("on a broker", () => {
    const prefix = `${unique("topics")}.`;
    const chosen = unique("deals");
    const env = {
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC_PREFIX: prefix,
      KAFKA_TOPIC_ESCROW_EVENTS: chosen,
      MEMORY: "true",
      PORT: "0",
    };
    const topics = async (...args: string[]) =>
      runApp(await emptyPlace(), ["topics", ...args], env);
    const admin = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.NOTHING }).admin();
    const spoil = (name: string, key: string, value: string) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name, configEntries: [{ name: key, value }] }],
      });
    afterAll(async () => {
      await admin.disconnect();
    });

    test("seed A11: --diff tells and ends with 5, app topics mends, and then nothing differs", async () => {
      await admin.connect();
      const before = await topics("--diff", "--json");
      expect(before.code).toBe(5);
      expect(JSON.parse(before.stdout).changes[0]).toMatchObject({ kind: "create", wanted: "12" });
      expect((await topics()).code).toBe(0);
      expect(await admin.listTopics()).toEqual(expect.arrayContaining([chosen, `${chosen}.dlq`]));
      expect(await topics("--diff")).toMatchObject({ code: 0, stdout: "nothing to do\n" });

      await spoil(chosen, "retention.ms", "1000");
      const spoilt = await topics("--diff");
      expect(spoilt.code).toBe(5);
      expect(spoilt.stdout).toContain(`would set retention.ms=-1 on ${chosen} (is 1000)`);
      expect((await topics()).code).toBe(0);
      expect((await topics("--diff")).code).toBe(0);
    }, 120_000);

    test("seed E6: a server refuses to start on topics that break the promise", async () => {
      const commands = `${prefix}escrow.commands.v1`;
      await spoil(commands, "message.timestamp.type", "CreateTime");
      const server = await runApp(await emptyPlace(), ["--port", "0"], env);
      expect(server.code).toBe(6);
      expect(server.stderr).toContain(
        `${commands} has message.timestamp.type=CreateTime, not LogAppendTime: run \`app topics\``,
      );
      const others = `${prefix}treasury.events.v1`;
      await spoil(others, "retention.ms", "1000");
      expect((await topics()).stdout).toContain(`retention.ms=-1 on ${others}`);
    }, 120_000);

    test("seed E6: a server that started without a broker ends as soon as it sees missing topics", async () => {
      const closed = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const { port } = closed;
      closed.stop(true);
      const server = startApp(await emptyPlace(), ["--port", "0"], {
        ...env,
        KAFKA_BROKERS: `127.0.0.1:${port}`,
        KAFKA_TOPIC_PREFIX: `${unique("later")}.`,
      });
      await eventually(() => server.stderr().includes("starting without the log"), 60_000);
      await eventually(() => server.stdout().includes("  API "), 60_000);
      // The broker itself is asked from then on, by the address it tells.
      const [host = "", real = ""] = (brokers.split(",")[0] ?? "").split(":");
      const broker = createServer((client) => {
        const upstream = connect({ host, port: Number(real) });
        client.on("error", () => upstream.destroy());
        upstream.on("error", () => client.destroy());
        client.pipe(upstream).pipe(client);
      });
      broker.listen(port, "127.0.0.1");
      expect(await server.exited).toBe(1);
      expect(server.stderr()).toContain("topics are missing, or may not be seen");
      expect(server.stderr()).toContain("a worker is lost: ending");
      broker.close();
    }, 180_000);

    test("seed A11: another number of partitions is refused by set-up and server, unless allowed", async () => {
      const wrong = [`${prefix}payments.commands.v1`, `${prefix}webhook.events.v1`];
      await admin.deleteTopics({ topics: wrong });
      const made = wrong.map((topic) => ({ topic, numPartitions: 6 }));
      await admin.createTopics({ topics: made, waitForLeaders: false });
      await eventually(async () => {
        // Until all brokers know of them this throws.
        const seen = await admin.fetchTopicMetadata({ topics: wrong }).catch(() => undefined);
        return seen?.topics.every(({ partitions }) => partitions.length === 6) ?? false;
      }, 30_000);
      const setUp = await topics();
      const server = await runApp(await emptyPlace(), ["--port", "0"], env);
      const doctor = await runApp(await emptyPlace(), ["doctor"], env);
      expect([setUp.code, server.code, doctor.code]).toEqual([6, 6, 5]);
      // Each names all of them at once.
      for (const topic of wrong) {
        for (const told of [setUp.stderr, server.stderr, doctor.stdout]) {
          expect(told).toContain(`${topic} has 6 partitions, not 12`);
        }
      }
      expect((await topics("--diff")).stdout).toContain("breaks the order");
      expect((await topics("--allow-reorder")).code).toBe(0);
      expect((await topics("--diff")).code).toBe(0);
    }, 120_000);

    test("production wants three brokers", async () => {
      const { code, stderr } = await topics("--env", "production");
      expect(code).toBe(brokers.includes(",") ? 0 : 6);
      if (code === 6) expect(stderr).toContain("3 copies of each topic need as many brokers");
      expect((await topics("--env", "moon")).code).toBe(2);
    }, 60_000);
  });
