/** Holds every answer a test gets against the reference: what it does not promise must not be sent. */
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020";
import { readComments } from "../../src/platform/http/openapi/comments.ts";
import type { MountedRoute, OpenApiDocument } from "../../src/platform/http/openapi/document.ts";
import { openApiDocument } from "../../src/platform/http/openapi/document.ts";

export interface Answered {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

export interface Reference {
  readonly document: OpenApiDocument;
  /** Undefined where the answer is as promised; else what is not. */
  misfit(answered: Answered): string | undefined;
}

export async function referenceOf(routes: readonly MountedRoute[]): Promise<Reference> {
  const document = openApiDocument({ routes, comments: await readComments(), version: "test" });
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: "reference", ...document });
  const compiled = new Map<string, ValidateFunction>();
  const paths = Object.keys(document.paths).map((template) => ({
    template,
    form: formOf(template),
  }));
  // An id could be spelt like a word: the template with the fewest ids is meant.
  paths.sort((a, b) => a.template.split("{").length - b.template.split("{").length);

  return {
    document,
    misfit({ method, path, status, type, body }) {
      const [bare = ""] = path.split("?");
      const template = paths.find(({ form }) => form.test(bare))?.template;
      const operation = template && document.paths[template]?.[method.toLowerCase()];
      if (template === undefined || !operation) return undefined;
      const key = String(status) in operation.responses ? String(status) : "default";
      if (key === "default" && status < 400) return "the reference knows no such status";
      const [media] = type.split(";");
      if (operation.responses[key]?.content?.[media ?? ""] === undefined) {
        return type === "text/csv; charset=utf-8" ? undefined : `the reference knows no ${type}`;
      }
      const steps = [template, method.toLowerCase(), "responses", key, "content", media, "schema"];
      const pointer = steps.map((step) => `${step}`.replaceAll("~", "~0").replaceAll("/", "~1"));
      const ref = `reference#/paths/${pointer.map(encodeURIComponent).join("/")}`;
      const validate = compiled.get(ref) ?? ajv.compile({ $ref: ref });
      compiled.set(ref, validate);
      return validate(body) ? undefined : ajv.errorsText(validate.errors);
    },
  };
}

function formOf(template: string): RegExp {
  return new RegExp(`^${template.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`);
}
