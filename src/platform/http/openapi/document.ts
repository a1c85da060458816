/**
 * The OpenAPI document, made of the routes that are mounted and what each says of itself. A route
 * that says nothing is listed as undocumented, which a test refuses.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { z } from "zod";
import { accepted, messages, problem, settled, settledOrPreview } from "./answers.ts";
import { docOf, type RouteDoc, type Shape } from "./documented.ts";
import { type DeclaredHeader, headerMeanings } from "./headers.ts";
import { type Comments, type JsonSchema, messageSchema, type Use } from "./proto-schema.ts";

export interface MountedRoute {
  readonly method: string;
  readonly path: string;
  readonly handler: object;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Answer>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}

export interface Answer {
  readonly description: string;
  readonly content?: Content;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: JsonSchema;
  };
}

export interface DocumentOptions {
  readonly routes: readonly MountedRoute[];
  readonly comments: Comments;
  readonly version: string;
}

const intro =
  "Money is in minor units, as text. A command carries an Idempotency-Key: the same key and body meet" +
  " the first outcome; with `Prefer: wait=5` it is waited for. Errors are application/problem+json" +
  " with a stable `code`. JSON numbers and unknown fields in a body are refused.";

export function openApiDocument({ routes, comments, version }: DocumentOptions): OpenApiDocument {
  const schemas = createSchemas(comments);
  const paths: Record<string, Record<string, Operation>> = {};
  for (const { method, path, handler } of routes) {
    const doc = docOf(handler);
    const operations = paths[templateOf(path)] ?? {};
    paths[templateOf(path)] = operations;
    // Mounted by several modules, a path says the same of itself.
    if (doc !== undefined)
      operations[method.toLowerCase()] ??= operationOf(method, path, doc, schemas);
  }
  const described = Object.entries(paths).filter(
    ([, operations]) => Object.keys(operations).length > 0,
  );
  described.sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    openapi: "3.1.0",
    info: { title: "app: escrow payments", version, description: intro },
    paths: Object.fromEntries(described),
    components: {
      schemas: schemas.all(),
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "A JWT, or an API key (app keys create).",
        },
      },
    },
  };
}

/** Routes without a word of their own: method and path. */
export function undocumented(routes: readonly MountedRoute[]): readonly string[] {
  const own = routes.filter(({ method }) => method !== "ALL");
  const names = (list: readonly MountedRoute[]) =>
    new Set(list.map((one) => `${one.method} ${one.path}`));
  const told = names(own.filter(({ handler }) => docOf(handler) !== undefined));
  return [...names(own)].filter((name) => !told.has(name));
}

function operationOf(method: string, path: string, doc: RouteDoc, schemas: Schemas): Operation {
  const { summary, open = false, body, answers, command = false } = doc;
  const description = audienceOf(doc);
  const done = dryRuns(doc) ? settledOrPreview : settled;
  const all = { ...(command && { 200: done, 202: accepted }), ...answers };
  return {
    operationId: operationIdOf(method, path),
    tags: [tagOf(path)],
    summary,
    ...(description !== undefined && { description }),
    parameters: [...pathParameters(path), ...queryParameters(doc), ...headerParameters(doc)],
    ...(body && {
      requestBody: {
        required: true,
        content: { "application/json": { schema: schemas.of(body, "body") } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(all).map(([status, shape]) => [
          status,
          answerOf(Number(status), shape, schemas),
        ]),
      ),
      default: {
        description: "What is wrong, in words, with a code.",
        content: { "application/problem+json": { schema: schemas.of(problem, "answer") } },
      },
    },
    security: open ? [] : [{ token: [] }],
  };
}

/** In a sentence; undefined where whoever has to do with it may call. */
function audienceOf({ roles, audience }: RouteDoc): string | undefined {
  if (audience !== undefined) return `For ${audience}.`;
  return roles && `Role ${roles.join(" or ")}.`;
}

function dryRuns({ query }: RouteDoc): boolean {
  return typeof query === "object" && "dryRun" in query;
}

const meaningOf: Readonly<Record<number, string>> = {
  200: "Done.",
  201: "Made.",
  202: "Taken; what becomes of it is told elsewhere.",
  503: "Not ready.",
};

function answerOf(status: number, shape: Shape, schemas: Schemas): Answer {
  const schema = schemas.of(shape, "answer");
  const type = schema.type === "string" ? "text/plain" : "application/json";
  return { description: meaningOf[status] ?? "Answered.", content: { [type]: { schema } } };
}

interface Schemas {
  of(shape: Shape, use: Use): JsonSchema;
  all(): Readonly<Record<string, JsonSchema>>;
}

/** They stand in most routes: written once. */
const shared = new Map<Shape, string>([
  [problem, "Problem"],
  [accepted, "CommandTaken"],
  [settled, "CommandDone"],
  [settledOrPreview, "CommandDoneOrTried"],
]);

function createSchemas(comments: Comments): Schemas {
  const found = new Map<string, JsonSchema>();
  const refer = (desc: DescMessage, use: Use): string => {
    const name = `${desc.typeName}${use === "body" && !/(Request|Input)$/.test(desc.name) ? ".body" : ""}`;
    if (!found.has(name)) {
      // Before its fields are looked at: a message may hold itself.
      found.set(name, {});
      found.set(name, messageSchema(desc, { use, comments, refer }));
    }
    return `#/components/schemas/${name}`;
  };
  return {
    of(shape, use) {
      if (typeof shape !== "function") return { $ref: refer(shape, use) };
      const name = shared.get(shape);
      if (name === undefined) return plain(shape(), refer);
      if (!found.has(name)) found.set(name, plain(shape(), refer));
      return { $ref: `#/components/schemas/${name}` };
    },
    all: () => Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** A schema of zod's; where it says that a message stands, the message's own takes the place. */
function plain(shape: z.ZodType, refer: (desc: DescMessage, use: Use) => string): JsonSchema {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(shape, {
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const message = messages.get(zodSchema);
      if (message !== undefined) Object.assign(jsonSchema, { $ref: refer(message, "answer") });
    },
  });
  return schema as JsonSchema;
}

function templateOf(path: string): string {
  return path.replace(/:(\w+)/g, "{$1}");
}

function pathParameters(path: string): Parameter[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    description: "As an earlier answer named it.",
    schema: { type: "string" },
  }));
}

function queryParameters({ query = {} }: RouteDoc): Parameter[] {
  if (query === "any") return [];
  return Object.entries(query).map(([name, description]) => ({
    name,
    in: "query",
    required: false,
    description,
    schema: { type: "string" },
  }));
}

function headerParameters(doc: RouteDoc): Parameter[] {
  const { headers = {}, open = false } = doc;
  const own = Object.entries(headers).map(([name, need]) => {
    const spared = name === "Idempotency-Key" && dryRuns(doc) ? " Not needed with dryRun." : "";
    const meaning = headerMeanings[name as DeclaredHeader] + spared;
    return headerParameter(name, meaning, need === "required");
  });
  return open ? own : [...own, onBehalfOf];
}

function headerParameter(name: string, description: string, required: boolean): Parameter {
  return { name, in: "header", required, description, schema: { type: "string" } };
}

/** Read with the token, before any route. */
const onBehalfOf = headerParameter(
  "On-Behalf-Of",
  "The party a caller with role service acts for.",
  false,
);

function operationIdOf(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "" && word !== "v1");
  return [method.toLowerCase(), ...words].join("_");
}

/** The first word that is no version: escrows, parties, sandbox. */
function tagOf(path: string): string {
  const [first = "", second = first] = path.split("/").filter((part) => part !== "");
  if (first === "v1") return second;
  return first === "sandbox" ? first : "process";
}
