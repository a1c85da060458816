/**
 * Says why Kafka cannot be used, and what to do about it: by the name, the port, TLS, SASL, in that
 * order, each tried by itself. One line for one broker; nothing is said while one of them can be used.
 */
import { X509Certificate } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";
import { connectionOptions, type KafkaClientOptions } from "./client.ts";
import { readVersions, type Versions } from "./versions.ts";
import {
  type Address,
  apiVersions,
  type Conversation,
  converse,
  saslHandshake,
  textField,
  WireError,
} from "./wire.ts";

export interface KafkaTrouble {
  readonly kind: string;
  readonly broker: string;
  readonly text: string;
  readonly remedy: string;
}

export type ProbeOptions = Omit<KafkaClientOptions, "socketFactory" | "observer">;

/** What a broker said of itself, or what is wrong with it. */
export type Probed = { readonly versions: Versions } | { readonly trouble: KafkaTrouble };

const illegalSaslState = 34;
const unsupportedMechanism = 33;

export function troubleText({ broker, text, remedy }: KafkaTrouble): string {
  return `${broker}: ${text}; ${remedy}`;
}

/** The first broker's trouble when none of them can be used. */
export async function findTrouble(options: ProbeOptions): Promise<KafkaTrouble | undefined> {
  const probed = await Promise.all(options.brokers.map((broker) => probeBroker(options, broker)));
  const troubles = probed.flatMap((one) => ("trouble" in one ? [one.trouble] : []));
  return troubles.length === probed.length ? troubles[0] : undefined;
}

export async function probeBroker(options: ProbeOptions, broker: string): Promise<Probed> {
  const colon = broker.lastIndexOf(":");
  const address = { host: broker.slice(0, colon), port: Number(broker.slice(colon + 1)) };
  const told = (kind: string, text: string, remedy: string): Probed => ({
    trouble: { kind, broker, text, remedy },
  });
  let talk: Conversation | undefined;
  try {
    talk = await converse(address, options.tls?.(), timeoutOf(options));
    const versions = readVersions(await talk.ask(apiVersions, 0));
    const refusal = (await saslTrouble(talk, options)) ?? (await loginTrouble(options, broker));
    return refusal === undefined ? { versions } : told(...refusal);
  } catch (error) {
    if (error instanceof WireError) return told(...(await wireTrouble(error, address, options)));
    const text = error instanceof Error ? error.message : String(error);
    return told("unknown", text, "look at the broker's log");
  } finally {
    talk?.end();
  }
}

type Told = [kind: string, text: string, remedy: string];

function timeoutOf({ connectionTimeoutMs = 4_000 }: ProbeOptions): number {
  return connectionTimeoutMs;
}

async function wireTrouble(
  { code, message, established }: WireError,
  address: Address,
  options: ProbeOptions,
): Promise<Told> {
  const { host, port } = address;
  const encrypted = options.tls !== undefined;
  const known = plainTroubles(host, port)[code];
  if (known !== undefined && !established) return known;
  if (encrypted) {
    const certificate = certificateTroubles(host)[code];
    if (certificate !== undefined) return certificate;
    const refusesOurs = /ALERT/.test(code) || (established && code === "CLOSED");
    if (refusesOurs) return clientCertificateTrouble(options);
    if (await answersPlainly(address, options)) {
      const remedy = "take the broker's TLS port, or set KAFKA_SSL=false";
      return ["plaintext", `port ${port} speaks Kafka without TLS`, remedy];
    }
  } else if (await speaksTls(address, options)) {
    const remedy = "set KAFKA_SSL=true (and KAFKA_SSL_CA), or take the port without TLS";
    return ["encrypted", `port ${port} speaks TLS, and was spoken to without`, remedy];
  }
  if (code === "SILENT") return silent(port);
  const said = code === "NOT_KAFKA" ? `it said ${JSON.stringify(message)}` : plainWords(code);
  const remedy = "look up the broker's address and port";
  return ["not-kafka", `what listens on port ${port} is not Kafka (${said})`, remedy];
}

function plainWords(code: string): string {
  return code.startsWith("ERR_SSL") ? "nor TLS" : `it ended the connection: ${code}`;
}

function silent(port: number): Told {
  const remedy = "look for a firewall between, or a broker that hangs";
  return ["silent", `port ${port} does not answer`, remedy];
}

function plainTroubles(host: string, port: number): Readonly<Record<string, Told>> {
  const unknownName: Told = ["dns", `the name ${host} is unknown`, "mend KAFKA_BROKERS or the DNS"];
  const noWay: Told = ["network", `there is no way to ${host}`, "look at routes and firewalls"];
  return {
    ENOTFOUND: unknownName,
    EAI_AGAIN: unknownName,
    ENODATA: unknownName,
    ECONNREFUSED: [
      "refused",
      `nothing listens on port ${port}`,
      "start the broker, or mend the port",
    ],
    EHOSTUNREACH: noWay,
    ENETUNREACH: noWay,
    ETIMEDOUT: silent(port),
  };
}

function certificateTroubles(host: string): Readonly<Record<string, Told>> {
  const unknownCa: Told = [
    "unknown-ca",
    "the broker's certificate is of an authority unknown here",
    "set KAFKA_SSL_CA to the certificate of the authority that issued it",
  ];
  return {
    CERT_HAS_EXPIRED: ["expired", "the broker's certificate has expired", "renew it"],
    CERT_NOT_YET_VALID: [
      "not-yet-valid",
      "the broker's certificate is not valid yet",
      "look at both clocks",
    ],
    ERR_TLS_CERT_ALTNAME_INVALID: [
      "wrong-name",
      `the broker's certificate is not for ${host}`,
      "use a name that is in it, or issue one with this name",
    ],
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownCa,
    SELF_SIGNED_CERT_IN_CHAIN: unknownCa,
    DEPTH_ZERO_SELF_SIGNED_CERT: unknownCa,
    UNABLE_TO_GET_ISSUER_CERT: unknownCa,
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownCa,
    CERT_SIGNATURE_FAILURE: unknownCa,
  };
}

function clientCertificateTrouble({ tls }: ProbeOptions): Told {
  const cert = tls?.().cert;
  if (cert === undefined) {
    const remedy = "set KAFKA_SSL_CERT and KAFKA_SSL_KEY";
    return ["client-certificate", "the broker asks for a client's certificate", remedy];
  }
  const { validToDate } = new X509Certificate(cert);
  if (validToDate.getTime() < Date.now()) {
    const text = `our certificate has expired on ${validToDate.toISOString()}`;
    return ["client-certificate", text, "renew KAFKA_SSL_CERT"];
  }
  const remedy = "have it issued by an authority the broker trusts";
  return ["client-certificate", "the broker refuses our certificate", remedy];
}

/** Whoever it is: a handshake that completes, or is refused for lack of a certificate, is TLS. */
async function speaksTls(address: Address, options: ProbeOptions): Promise<boolean> {
  try {
    (await converse(address, { rejectUnauthorized: false }, timeoutOf(options))).end();
    return true;
  } catch (error) {
    return error instanceof WireError && /ALERT/.test(error.code);
  }
}

async function answersPlainly(address: Address, options: ProbeOptions): Promise<boolean> {
  try {
    const talk = await converse(address, undefined, timeoutOf(options));
    await talk.ask(apiVersions, 0).finally(() => talk.end());
    return true;
  } catch {
    return false;
  }
}

async function saslTrouble(talk: Conversation, { sasl }: ProbeOptions): Promise<Told | undefined> {
  const wanted = (sasl?.mechanism ?? "plain").toUpperCase();
  const answer = await talk.ask(saslHandshake, 1, textField(wanted));
  const code = answer.readInt16BE(0);
  if (code === illegalSaslState) {
    if (sasl === undefined) return undefined;
    const remedy = "leave out KAFKA_SASL_MECHANISM, or take the port with SASL";
    return ["no-sasl", "this port takes no user name", remedy];
  }
  const offered = mechanismsIn(answer);
  if (sasl === undefined) {
    const remedy = "set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD";
    return ["sasl-required", `the broker asks for a user (${offered.join(", ")})`, remedy];
  }
  if (code !== unsupportedMechanism) return undefined;
  const remedy = `set KAFKA_SASL_MECHANISM to ${offered.join(" or ").toLowerCase()}`;
  return ["sasl-mechanism", `the broker does not take ${wanted}`, remedy];
}

function mechanismsIn(answer: Buffer): string[] {
  const names: string[] = [];
  let at = 6;
  for (let left = answer.readInt32BE(2); left > 0; left -= 1) {
    const size = answer.readInt16BE(at);
    names.push(answer.toString("utf8", at + 2, at + 2 + size));
    at += 2 + size;
  }
  return names;
}

/** By the client itself: it knows how each mechanism proves a password. */
async function loginTrouble(options: ProbeOptions, broker: string): Promise<Told | undefined> {
  if (options.sasl === undefined) return undefined;
  const client = new Kafka({
    ...connectionOptions({ ...options, brokers: [broker] }),
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = client.admin();
  try {
    await admin.connect();
    return undefined;
  } catch (error) {
    if (!isLoginError(error)) throw error;
    const remedy = "look at KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and the user in Kafka";
    return ["credentials", "the broker refuses the user name or the password", remedy];
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

function isLoginError(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 6; depth += 1) {
    if (one.name.includes("SASLAuthentication")) return true;
    one = one.cause;
  }
  return false;
}
