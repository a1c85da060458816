/**
 * A real broker that asks who is there: doors with TLS, with users, with both and a client's
 * certificate; and an authorizer that lets nobody do what was not granted. The plain door is the
 * owner's own, for setting up.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kafkaJars } from "../../scripts/backing/install.ts";
import { run } from "../../scripts/process.ts";
import { type Kafka, startKafka } from "../../scripts/services.ts";
import { type Authority, createAuthority, type Issued } from "./certificates.ts";

export interface SecuredKafka {
  readonly kafka: Kafka;
  readonly authority: Authority;
  readonly stranger: Authority;
  readonly client: Issued;
  readonly folder: string;
  /** Kafka's own tools, on the owner's door. */
  tool(main: string, ...args: readonly string[]): Promise<string>;
  setPassword(user: string, password: string): Promise<string>;
  stop(): Promise<void>;
}

/** By door: what it speaks. MUTUAL asks for a client's certificate and a user. */
const doors = {
  TLS: "SSL",
  USERS: "SASL_PLAINTEXT",
  MUTUAL: "SASL_SSL",
  EXPIRED: "SSL",
};

const login = "org.apache.kafka.common.security";

export async function startSecuredKafka(
  users: Readonly<Record<string, string>>,
  superUsers: readonly string[],
): Promise<SecuredKafka> {
  const folder = mkdtempSync(join(tmpdir(), "app-secured-"));
  const authority = await createAuthority(folder, "authority");
  const stranger = await createAuthority(folder, "stranger");
  const [broker, client, expired] = await Promise.all([
    authority.issue("broker"),
    authority.issue("client"),
    authority.issue("expired", { days: 0 }),
  ]);
  const kafka = await startKafka({
    doors,
    formatting: Object.entries(users).flatMap(([name, password]) =>
      ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
        "--add-scram",
        `${mechanism}=[name=${name},password=${password}]`,
      ]),
    ),
    settings: {
      ...tls("tls", broker, authority),
      ...tls("mutual", broker, authority),
      ...tls("expired", expired, authority),
      "listener.name.mutual.ssl.client.auth": "required",
      ...logins("users", users),
      ...logins("mutual", users),
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      // The plain door, and TLS without users: nobody by name.
      "super.users": ["ANONYMOUS", ...superUsers].map((name) => `User:${name}`).join(";"),
    },
  });
  if (kafka === undefined) throw new Error("no Kafka can be had");
  const jars = await kafkaJars();
  const tool = (main: string, ...args: readonly string[]) =>
    run(["java", "-cp", join(jars ?? "", "*"), main, "--bootstrap-server", kafka.brokers, ...args]);
  return {
    kafka,
    authority,
    stranger,
    client,
    folder,
    tool,
    setPassword: (user, password) =>
      tool(
        "kafka.admin.ConfigCommand",
        ...["--alter", "--entity-type", "users", "--entity-name", user],
        ...["--add-config", `SCRAM-SHA-512=[password=${password}]`],
      ),
    async stop() {
      await kafka.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function tls(door: string, { both }: Issued, { cert }: Authority): Record<string, string> {
  const prefix = `listener.name.${door}.ssl`;
  return {
    [`${prefix}.keystore.type`]: "PEM",
    [`${prefix}.keystore.location`]: both,
    [`${prefix}.truststore.type`]: "PEM",
    [`${prefix}.truststore.location`]: cert,
  };
}

function logins(door: string, users: Readonly<Record<string, string>>): Record<string, string> {
  const prefix = `listener.name.${door}`;
  const known = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const scram = `${login}.scram.ScramLoginModule required;`;
  return {
    [`${prefix}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    [`${prefix}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required ${known.join(" ")};`,
    [`${prefix}.scram-sha-256.sasl.jaas.config`]: scram,
    [`${prefix}.scram-sha-512.sasl.jaas.config`]: scram,
  };
}
