/**
 * A schema registry in this process, speaking the REST interface of Confluent's: what is registered
 * is compared by its text and references, and what would be incompatible is told to it.
 */
import type { Server } from "bun";

interface Schema {
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly { name: string; subject: string; version: number }[];
}

export interface FakeRegistry {
  readonly url: string;
  /** By subject, oldest first. */
  readonly subjects: ReadonlyMap<string, readonly { readonly id: number; readonly text: string }[]>;
  readonly levels: Map<string, string>;
  /** Requests so far, as `METHOD path`. */
  readonly asked: string[];
  /** From now on successors of what this subject has are incompatible, for these reasons. */
  incompatible(subject: string, ...reasons: string[]): void;
  /** Forgets everything, as one that was set up anew. */
  wipe(): void;
  /** Nobody listens any more; `start` listens on the same port again. */
  stop(): void;
  start(): void;
}

export interface FakeRegistryOptions {
  /** `user:password` that every request must bear. */
  readonly login?: string;
}

export function startFakeRegistry({ login }: FakeRegistryOptions = {}): FakeRegistry {
  const subjects = new Map<string, { id: number; text: string; schema: string }[]>();
  const levels = new Map<string, string>();
  const ids = new Map<string, number>();
  const reasons = new Map<string, readonly string[]>();
  const asked: string[] = [];
  let server: Server<undefined> | undefined;
  let port = 0;

  const versionsOf = (subject: string) => subjects.get(subject) ?? [];
  const lacks = ({ references = [] }: Schema) =>
    references.find(({ subject, version }) => versionsOf(subject)[version - 1] === undefined);

  function register(subject: string, schema: Schema): Response {
    if (schema.schemaType !== "PROTOBUF") return problem(422, 42201, "not a protobuf schema");
    const missing = lacks(schema);
    if (missing) return problem(422, 42201, `no reference ${missing.name}`);
    const known = JSON.stringify([schema.schema, schema.references]);
    const versions = versionsOf(subject);
    const found = versions.find((one) => one.schema === known);
    if (found) return Response.json({ id: found.id });
    if (versions.length > 0 && reasons.has(subject)) {
      return problem(409, 409, "Schema being registered is incompatible with an earlier schema");
    }
    const id = ids.get(known) ?? ids.size + 1;
    ids.set(known, id);
    subjects.set(subject, [...versions, { id, text: schema.schema, schema: known }]);
    return Response.json({ id });
  }

  function find(subject: string, schema: Schema): Response {
    const versions = versionsOf(subject);
    if (versions.length === 0) return problem(404, 40401, `Subject '${subject}' not found.`);
    const known = JSON.stringify([schema.schema, schema.references]);
    const at = versions.findIndex((one) => one.schema === known);
    if (at < 0) return problem(404, 40403, "Schema not found");
    return Response.json({ subject, version: at + 1, id: versions[at]?.id });
  }

  function compare(subject: string): Response {
    if (versionsOf(subject).length === 0) return problem(404, 40402, "Version not found");
    const messages = reasons.get(subject);
    return Response.json({ is_compatible: messages === undefined, messages });
  }

  const byId = (id: number) => [...subjects.values()].flat().find((one) => one.id === id);

  async function answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    asked.push(`${request.method} ${decodeURIComponent(path)}`);
    const expected = login && `Basic ${Buffer.from(login).toString("base64")}`;
    if (expected && request.headers.get("authorization") !== expected) {
      return problem(401, 40101, "Unauthorized");
    }
    const [, root = "", ...rest] = path.split("/").map(decodeURIComponent);
    // biome-ignore lint/suspicious/noExplicitAny: what a client sends is untyped JSON
    const body: any = request.method === "GET" ? {} : await request.json();
    const [first = ""] = rest;
    if (request.method === "GET" && root === "schemas") return shown(byId(Number(rest[1])));
    if (request.method === "GET" && root === "subjects") {
      return shown(versionsOf(first)[Number(rest[2]) - 1]);
    }
    if (root === "subjects") return rest.length > 1 ? register(first, body) : find(first, body);
    if (root === "compatibility") return compare(rest[1] ?? "");
    if (root !== "config") return problem(404, 404, "HTTP 404 Not Found");
    if (request.method === "PUT") {
      levels.set(first, body.compatibility);
      return Response.json(body);
    }
    const level = levels.get(first);
    return level === undefined
      ? problem(404, 40408, `Subject '${first}' does not have subject-level compatibility`)
      : Response.json({ compatibilityLevel: level });
  }

  const registry: FakeRegistry = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    subjects,
    levels,
    asked,
    incompatible: (subject, ...why) => void reasons.set(subject, why),
    wipe() {
      for (const all of [subjects, levels, ids, reasons]) all.clear();
    },
    stop() {
      server?.stop(true);
    },
    start() {
      server = Bun.serve({ port, hostname: "127.0.0.1", fetch: answer });
      port = server.port ?? 0;
    },
  };
  registry.start();
  return registry;
}

/** As `GET /schemas/ids/{id}` and `GET /subjects/{subject}/versions/{version}` show it. */
function shown(found: { readonly id: number; readonly schema: string } | undefined): Response {
  if (found === undefined) return problem(404, 40403, "Schema not found");
  const [schema, references] = JSON.parse(found.schema);
  return Response.json({ id: found.id, schemaType: "PROTOBUF", schema, references });
}

function problem(status: number, code: number, message: string): Response {
  return Response.json({ error_code: code, message }, { status });
}
