/**
 * A schema registry, over the REST interface that Confluent's made common. It is asked when topics
 * are set up and when a process starts, never for a message. Whatever keeps it from answering is a
 * TransientError that names it; a schema it will not have is a SystemicError.
 */
import { SystemicError, TransientError } from "../errors.ts";

export interface Schema {
  readonly text: string;
  readonly references: readonly SchemaReference[];
}

export interface SchemaReference {
  /** As the import statement has it. */
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

export interface Registered {
  readonly id: number;
  readonly version: number;
}

export interface SchemaRegistry {
  /** Without what may stand in it for a password. */
  readonly url: string;
  /** Undefined when the subject does not have this very schema. */
  find(subject: string, schema: Schema): Promise<Registered | undefined>;
  register(subject: string, schema: Schema): Promise<Registered>;
  /** Why readers of this schema could not read what the newest was written with; none when they can. */
  conflicts(subject: string, schema: Schema): Promise<readonly string[]>;
  /** The subject's own, undefined where the registry's holds. */
  level(subject: string): Promise<string | undefined>;
  setLevel(subject: string, level: string): Promise<void>;
}

export interface SchemaRegistryOptions {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Of each request. */
  readonly timeoutMs?: number;
}

const mediaType = "application/vnd.schemaregistry.v1+json";
const notFound = 404;

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what it says is looked at where it is used
  readonly body: any;
}

export function createSchemaRegistry({
  url,
  username = "",
  password = "",
  timeoutMs = 5_000,
}: SchemaRegistryOptions): SchemaRegistry {
  const base = url.replace(/\/+$/, "");
  const secret = Buffer.from(`${username}:${password}`).toString("base64");
  const headers = {
    Accept: `${mediaType}, application/json`,
    "Content-Type": mediaType,
    ...(username !== "" && { Authorization: `Basic ${secret}` }),
  };

  async function call(method: string, path: string, body?: object): Promise<Answer> {
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers,
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.json() };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw unusable(reason, error);
    }
  }

  function unusable(reason: string, cause?: unknown): TransientError {
    return new TransientError(`the schema registry at ${base} cannot be used: ${reason}`, {
      cause,
    });
  }

  /** What is neither well nor missing: refused, or out of order. */
  function failure({ status, body }: Answer, subject: string): Error {
    const told = String(body?.message ?? `it answered ${status}`);
    return status === 409 || status === 422
      ? new SystemicError(`the schema registry refuses ${subject}: ${told}`)
      : unusable(`${told} (${status})`);
  }

  async function ask(method: string, path: string, subject: string, body?: object) {
    const answer = await call(method, path, body);
    if (answer.status === notFound) return undefined;
    if (answer.status !== 200) throw failure(answer, subject);
    return answer.body;
  }

  async function find(subject: string, schema: Schema): Promise<Registered | undefined> {
    const path = `/subjects/${encodeURIComponent(subject)}`;
    const found = await ask("POST", path, subject, wireSchema(schema));
    return found && { id: number(found.id), version: number(found.version) };
  }

  function number(value: unknown): number {
    if (typeof value !== "number" || !Number.isInteger(value)) throw unusable("strange answers");
    return value;
  }

  return {
    url: base,
    find,
    async register(subject, schema) {
      const path = `/subjects/${encodeURIComponent(subject)}/versions`;
      const made = await ask("POST", path, subject, wireSchema(schema));
      const found = made && (await find(subject, schema));
      if (found === undefined) throw unusable(`${subject} is not there after it was registered`);
      return found;
    },
    async conflicts(subject, schema) {
      const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest`;
      const answer = await ask("POST", `${path}?verbose=true`, subject, wireSchema(schema));
      if (answer === undefined || answer.is_compatible === true) return [];
      const told: unknown[] = Array.isArray(answer.messages) ? answer.messages : [];
      return told.length > 0 ? told.map(String) : ["not compatible with its newest version"];
    },
    async level(subject) {
      const path = `/config/${encodeURIComponent(subject)}?defaultToGlobal=false`;
      const answer = await ask("GET", path, subject);
      return answer && String(answer.compatibilityLevel);
    },
    async setLevel(subject, level) {
      const path = `/config/${encodeURIComponent(subject)}`;
      const answer = await ask("PUT", path, subject, { compatibility: level });
      if (answer === undefined) throw unusable(`it has no levels of compatibility`);
    },
  };
}

function wireSchema({ text, references }: Schema) {
  return { schemaType: "PROTOBUF", schema: text, references };
}
