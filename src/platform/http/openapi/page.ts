/** The reference as one plain page: nothing is loaded from anywhere, and every text is escaped. */
import { html, raw } from "hono/html";
import type { OpenApiDocument, Operation } from "./document.ts";
import type { JsonSchema } from "./proto-schema.ts";

export const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
section { border-top: 1px solid #8886; padding: 0.5rem 0; }
h3 code { font-size: 1rem; }
h3 b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; }
td, th { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0; }
nav a { margin-right: 1rem; }
`;

type Html = ReturnType<typeof html>;

export function referencePage({ info, paths, components }: OpenApiDocument): Html {
  const all = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
  );
  const byTag = [...Map.groupBy(all, ({ operation }) => operation.tags[0] ?? "")];
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${info.title}</title><style>${raw(style)}</style></head>
<body><h1>${info.title} <small>${info.version}</small></h1>
<p>${info.description}</p>
<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<nav>${byTag.map(([tag]) => html`<a href="#${tag}">${tag}</a>`)} <a href="#schemas">schemas</a></nav>
${byTag.map(
  ([tag, routes]) => html`<h2 id="${tag}">${tag}</h2>
${routes.map(({ method, path, operation }) => operationIn(method, path, operation))}`,
)}
<h2 id="schemas">schemas</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) => html`<section id="${name}"><h3><code>${name}</code></h3>
<p>${schema.description ?? ""}</p>${shapeIn(schema)}</section>`,
)}
</body></html>`;
}

function operationIn(method: string, path: string, operation: Operation): Html {
  const { summary, description = "", parameters, requestBody, responses } = operation;
  const body = requestBody?.content["application/json"]?.schema;
  return html`<section id="${operation.operationId}">
<h3><b>${method.toUpperCase()}</b> <code>${path}</code></h3>
<p>${summary} ${description}</p>
${
  parameters.length === 0
    ? ""
    : html`<table>${parameters.map(
        (one) => html`<tr><td><code>${one.name}</code></td>
<td>${one.in}${one.required ? ", required" : ""}</td><td>${one.description}</td></tr>`,
      )}</table>`
}
${body === undefined ? "" : html`<h4>Body</h4>${typeIn(body)}`}
<h4>Answers</h4><table>${Object.entries(responses).map(
    ([status, answer]) => html`<tr><td>${status}</td><td>${answer.description}</td>
<td>${Object.values(answer.content ?? {}).map(({ schema }) => typeIn(schema))}</td></tr>`,
  )}</table></section>`;
}

/** Of one of several shapes each, with what it is said to be. */
function shapeIn(schema: JsonSchema): Html {
  const several = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(several)) return fieldsIn(schema);
  return html`${several.map(
    (one: JsonSchema, at) =>
      html`<p>${at > 0 ? "Or: " : ""}${one.description ?? ""}</p>${typeIn(one)}`,
  )}`;
}

function fieldsIn({ properties, required }: JsonSchema): Html {
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = Object.entries((properties ?? {}) as Record<string, JsonSchema>);
  return html`<table>${fields.map(
    ([name, schema]) => html`<tr><td><code>${name}</code></td><td>${typeIn(schema)}</td>
<td>${needed.has(name) ? "required" : ""}</td><td>${schema.description ?? ""}</td></tr>`,
  )}</table>`;
}

/** A link where the schema has a name, its fields where it has none. */
function typeIn(schema: JsonSchema): Html {
  const { $ref, type, items, enum: values, pattern, format } = schema;
  if (typeof $ref === "string") {
    const name = $ref.slice($ref.lastIndexOf("/") + 1);
    return html`<a href="#${name}"><code>${name}</code></a>`;
  }
  const several = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(several)) {
    return html`${several.map((one: JsonSchema, at) => html`${at > 0 ? " or " : ""}${typeIn(one)}`)}`;
  }
  if (schema.properties !== undefined) return fieldsIn(schema);
  if (type === "array") return html`list of ${typeIn((items ?? {}) as JsonSchema)}`;
  if (Array.isArray(values)) return html`${values.join(", ")}`;
  const detail = format ?? pattern;
  return html`${type ?? "anything"}${detail === undefined ? "" : html` <code>${detail}</code>`}`;
}
