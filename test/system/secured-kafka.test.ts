/**
 * The compiled program on a broker that asks who is there: every way in works, every wrong one is
 * explained in a line, the program stays up meanwhile and goes on by itself once it is mended.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { emptyPlace } from "../support/binary.ts";
import { eventually } from "../support/logs.ts";
import { type Environment, killAll, runApp, startApp } from "../support/processes.ts";
import { fundsOfSale, runReadmeSale } from "../support/readme-sale.ts";
import { type SecuredKafka, startSecuredKafka } from "../support/secured-kafka.ts";

const password = "owner-secret";

if (process.env.KAFKA_BROKERS !== undefined)
  describe("a secured broker", () => {
    let secured: SecuredKafka;
    let mutual: Environment;

    beforeAll(async () => {
      secured = await startSecuredKafka({ owner: password }, ["owner"]);
      mutual = {
        KAFKA_BROKERS: secured.kafka.door("MUTUAL"),
        KAFKA_SSL: "true",
        KAFKA_SSL_CA: secured.authority.cert,
        KAFKA_SSL_CERT: secured.client.cert,
        KAFKA_SSL_KEY: secured.client.key,
        ...user("scram-sha-512"),
        KAFKA_CONNECTION_TIMEOUT: "10000",
        KAFKA_REQUEST_TIMEOUT: "20000",
        MEMORY: "true",
        PORT: "0",
        LOG_LEVEL: "warn",
      };
    }, 120_000);
    afterAll(async () => {
      await killAll();
      await secured?.stop();
    }, 60_000);

    const user = (mechanism: string, secret = password): Environment => ({
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SASL_USERNAME: "owner",
      KAFKA_SASL_PASSWORD: secret,
    });
    const topics = async (env: Environment) => runApp(await emptyPlace(), ["topics"], env);

    test("seed B6: a whole sale over SASL_SSL with SCRAM-SHA-512 and a client's certificate", async () => {
      expect(await topics(mutual)).toMatchObject({ code: 0, stderr: "" });
      const place = await emptyPlace();
      const app = startApp(place, [], { ...mutual, MEMORY: "false" });
      const url = await app.ready(90_000);
      const sold = await runReadmeSale(place, url, {});
      expect(sold.state).toBe("RELEASED");
      expect(sold.funds).toEqual(fundsOfSale);
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toMatch(/^kafka_connections [1-9]/m);
      expect(metrics).toContain("kafka_producer_init_failures 0");
      expect(metrics).toContain("kafka_breaker_state 0");
      expect(metrics).toMatch(/^kafka_rebalances_total\{group="escrow\.commands"\} [1-9]/m);
      expect((await app.stop()).code).toBe(0);
    }, 240_000);

    test.each(["plain", "scram-sha-256", "scram-sha-512"])(
      "seed B6: users by %s, certificates as text, the secret from a file",
      async (mechanism) => {
        const place = await emptyPlace();
        const file = `${place.folder}/password`;
        await Bun.write(file, `${password}\n`);
        const { KAFKA_SASL_PASSWORD: _, ...named } = user(mechanism);
        const env = {
          ...mutual,
          ...named,
          KAFKA_SASL_PASSWORD: "",
          KAFKA_SASL_PASSWORD_FILE: file,
          KAFKA_SSL_CA: readFileSync(secured.authority.cert, "utf8"),
          KAFKA_SSL_CERT: readFileSync(secured.client.cert, "utf8").replaceAll("\n", "\\n"),
        };
        expect(await topics(env)).toMatchObject({ code: 0, stdout: "nothing to do\n" });
        const unencrypted = { KAFKA_BROKERS: secured.kafka.door("USERS"), ...user(mechanism) };
        expect(await topics(unencrypted)).toMatchObject({ code: 0, stdout: "nothing to do\n" });
      },
      90_000,
    );

    test("bad settings of Kafka are told together, with 3", async () => {
      const { code, stderr } = await topics({
        KAFKA_BROKERS: "kafka://a:9092,b:99999",
        KAFKA_SSL_CA: "/nowhere/ca.pem",
        KAFKA_SASL_MECHANISM: "kerberos",
        KAFKA_SSL_KEY: "nonsense",
      });
      expect(code).toBe(3);
      for (const name of ["BROKERS", "SSL_CA", "SASL_MECHANISM", "SSL_KEY"])
        expect(stderr).toContain(`KAFKA_${name} (environment)`);
      expect(stderr).not.toContain("nonsense");
    }, 60_000);

    test("seed E1: each wrong way in is explained in one line, with 4", async () => {
      const { kafka, authority, stranger } = secured;
      const [expired, foreign, silent] = await Promise.all([
        authority.issue("old", { days: 0 }),
        stranger.issue("guest"),
        Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
      ]);
      const web = Bun.serve({ port: 0, fetch: () => new Response("a web page") });
      const tls = { KAFKA_SSL: "true", KAFKA_SSL_CA: authority.cert };
      const at = (broker: string, env: Environment = {}) => ({ KAFKA_BROKERS: broker, ...env });
      const bare = { ...mutual, KAFKA_SSL_CERT: "", KAFKA_SSL_KEY: "" };
      const ways: [Environment, string][] = [
        [at("nowhere.invalid:9092"), "the name nowhere.invalid is unknown"],
        [at("127.0.0.1:1"), "nothing listens on port 1"],
        [at(`127.0.0.1:${silent.port}`, { KAFKA_CONNECTION_TIMEOUT: "500" }), "does not answer"],
        [at(`127.0.0.1:${web.port}`), "is not Kafka"],
        [at(kafka.brokers, tls), "speaks Kafka without TLS"],
        [at(kafka.door("TLS")), "speaks TLS, and was spoken to without"],
        [at(kafka.door("TLS"), { KAFKA_SSL: "true" }), "authority unknown here"],
        [at(kafka.door("TLS"), { ...tls, KAFKA_SSL_CA: stranger.cert }), "authority unknown here"],
        [at(kafka.door("EXPIRED"), tls), "the broker's certificate has expired"],
        [at(kafka.door("USERS")), "the broker asks for a user (PLAIN"],
        [at(kafka.brokers, user("plain")), "takes no user name"],
        [{ ...mutual, ...user("scram-sha-512", "wrong") }, "refuses the user name or the password"],
        [bare, "asks for a client's certificate"],
        [{ ...mutual, KAFKA_SSL_CERT: expired.cert, KAFKA_SSL_KEY: expired.key }, "has expired on"],
        [
          { ...mutual, KAFKA_SSL_CERT: foreign.cert, KAFKA_SSL_KEY: foreign.key },
          "refuses our certificate",
        ],
      ];
      for (const [env, explanation] of ways) {
        const patient = { KAFKA_CONNECTION_TIMEOUT: "10000", ...env };
        const { code, stderr } = await topics(patient);
        expect({ env, code, stderr }).toEqual({
          env,
          code: 4,
          stderr: expect.stringContaining(explanation),
        });
        expect(stderr.trim().split("\n")).toHaveLength(1);
        expect(stderr).toStartWith("unreachable: Kafka: ");
      }
      await web.stop(true);
      silent.stop(true);
    }, 300_000);

    test("seed E1: it starts with a wrong password, says so, and goes on when it is mended", async () => {
      const app = startApp(await emptyPlace(), [], { ...mutual, ...user("scram-sha-512", "new") });
      await eventually(() => /API +http/.test(app.stdout()), 60_000);
      const url = /API +(\S+)/.exec(app.stdout())?.[1] ?? "";
      const asked = async () => {
        const response = await fetch(`${url}/readyz`);
        return { status: response.status, text: await response.text() };
      };
      await eventually(async () => (await asked()).text.includes('"log":"unreachable"'), 60_000);
      expect((await asked()).status).toBe(503);
      expect((await asked()).text).not.toMatch(/password|127\.0\.0\.1|:\d{4}/);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect(app.stdout()).not.toContain("\nready ");
      await eventually(
        () => app.stderr().includes("refuses the user name or the password"),
        60_000,
      );
      expect(app.stderr()).not.toContain('"new"');
      const metrics = async () => (await fetch(`${url}/metrics`)).text();
      await eventually(
        async () => /^kafka_connection_errors\{type="sasl"\} [1-9]/m.test(await metrics()),
        60_000,
      );
      await eventually(
        async () => /^kafka_producer_init_failures [1-9]/m.test(await metrics()),
        60_000,
      );
      await secured.setPassword("owner", "new");
      await app.ready(90_000);
      await eventually(async () => (await asked()).status === 200, 60_000);
      expect((await app.stop()).code).toBe(0);
    }, 300_000);
  });
