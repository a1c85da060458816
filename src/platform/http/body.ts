/**
 * From a request to a validated message: content type and encoding, strict JSON, then the proto as
 * the one contract. Unknown fields and wrong types are refused with the field's path, before the
 * protobuf library sees the value (it would take " 5" for an int64).
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  getOption,
  hasOption,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Violation } from "@bufbuild/protovalidate";
import { field as fieldRules } from "#gen/buf/validate/validate_pb";
import { messageRules } from "../message-rules.ts";
import { expectedForm } from "./expected-form.ts";
import {
  bodyLimits,
  fieldPath,
  type JsonLimits,
  numberRefused,
  parseJson,
  tooLarge,
} from "./json.ts";
import { HttpProblem } from "./problem.ts";

const jsonType = /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i;

/** The raw bytes, as signed by a webhook's sender; 413 above the limit, 415 when compressed. */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const encoding = request.headers.get("Content-Encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new HttpProblem("UNSUPPORTED_ENCODING", "Send the body without Content-Encoding.");
  }
  const declared = request.headers.get("Content-Length");
  if (Number(declared ?? "0") > maxBytes) throw tooLarge(maxBytes);
  // The server reads no more than was declared, and a stream of pieces costs a tenth of a request.
  const reading = declared === null ? readPieces(request, maxBytes) : request.bytes();
  return reading.catch((cause: unknown) => {
    if (cause instanceof HttpProblem) throw cause;
    // Its sender went away, or is broken: nothing has failed here.
    throw new HttpProblem("BAD_REQUEST", "The body was cut off.", { cause });
  });
}

async function readPieces(request: Request, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    // What a sender without a length goes on sending is not read.
    if (length > maxBytes) throw tooLarge(maxBytes);
    parts.push(part);
  }
  // What the runtime finds wrong behind the last piece it has answered itself, in this same turn.
  await new Promise(setImmediate);
  if (request.signal.aborted) throw new HttpProblem("BAD_REQUEST", "The body was cut off.");
  return new Uint8Array(Buffer.concat(parts));
}

/** The body as a JSON object; no bytes at all are an empty object. */
export async function readJson(
  request: Request,
  limits: JsonLimits = bodyLimits,
): Promise<JsonObject> {
  const bytes = await readBytes(request, limits.maxBytes);
  if (bytes.length === 0) return {};
  if (!jsonType.test(request.headers.get("Content-Type") ?? "")) {
    throw new HttpProblem("UNSUPPORTED_MEDIA_TYPE", "Send Content-Type: application/json.");
  }
  const json = parseJson(bytes, limits);
  if (!isObject(json))
    throw new HttpProblem("INVALID_BODY", "The body must be a JSON object, such as {}.");
  return json;
}

/** Throws 422 with `field` for what the message's shape or its rules do not allow. */
export function toMessage<M extends Message>(schema: GenMessage<M>, json: JsonObject): M {
  checkMessage(schema, json, "");
  const message = decode(schema, json);
  const result = messageRules.validate(schema, message);
  if (result.kind === "error") throw result.error;
  const first = result.kind === "invalid" ? result.violations[0] : undefined;
  if (first !== undefined) throw violated(first, json);
  return message as M;
}

function decode<M extends Message>(schema: GenMessage<M>, json: JsonObject): M {
  try {
    return fromJson(schema, json) as M;
  } catch (error) {
    throw new HttpProblem("INVALID_BODY", "The body does not fit its schema.", { cause: error });
  }
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function invalid(field: string, detail: string): HttpProblem {
  return new HttpProblem("INVALID_FIELD", detail, { field });
}

function checkMessage(desc: DescMessage, json: JsonValue, path: string): void {
  // The well-known types have a JSON form of their own, which fromJson checks.
  if (desc.file.proto.package === "google.protobuf") return;
  if (!isObject(json)) throw invalid(path, "Must be an object.");
  for (const [name, value] of Object.entries(json)) {
    const field = desc.fields.find((candidate) => candidate.jsonName === name);
    const at = fieldPath(path, name);
    if (field === undefined) {
      throw new HttpProblem("UNKNOWN_FIELD", noSuchField(desc), { field: at });
    }
    checkField(field, value, at);
  }
}

function noSuchField({ fields }: DescMessage): string {
  const names = fields.map(({ jsonName }) => jsonName);
  return `There is no such field${names.length === 0 ? ": none is taken" : ` among ${names.join(", ")}`}.`;
}

/** What was meant to hold a value and does not would be taken for a field nobody sent: for "all". */
function checkField(field: DescField, json: JsonValue, path: string): void {
  if (json === null) throw invalid(path, "Null is no value: leave the field out.");
  if (isBlank(field, json)) throw invalid(path, "Must not be blank.");
  if (field.fieldKind === "list") {
    if (!Array.isArray(json)) throw invalid(path, "Must be a list.");
    json.forEach((element, index) => {
      checkElement(field, element, `${path}[${index}]`);
    });
  } else if (field.fieldKind === "map") {
    if (!isObject(json)) throw invalid(path, "Must be an object.");
    for (const [key, element] of Object.entries(json)) {
      checkElement(field, element, fieldPath(path, key));
    }
  } else {
    checkElement(field, json, path);
  }
}

/** A text that has to be there has to say something; one that is empty is called missing later. */
function isBlank(field: DescField, json: JsonValue): boolean {
  if (typeof json !== "string" || json === "" || json.trim() !== "") return false;
  if (!hasOption(field, fieldRules)) return false;
  const { type } = getOption(field, fieldRules);
  return type.case === "string" && type.value.minLen > 0n;
}

function checkElement(field: DescField, json: JsonValue, path: string): void {
  if (typeof json === "number") throw numberRefused(path);
  if (field.message !== undefined) checkMessage(field.message, json, path);
  else if (field.enum !== undefined) checkEnum(field.enum, json, path);
  else if (field.scalar === ScalarType.BOOL) {
    if (typeof json !== "boolean") throw invalid(path, "Must be true or false.");
  } else if (typeof json !== "string") throw invalid(path, "Must be a string.");
}

function checkEnum(desc: DescEnum, json: JsonValue, path: string): void {
  const names = desc.values.filter((value) => value.number !== 0).map((value) => value.name);
  if (typeof json === "string" && names.includes(json)) return;
  throw invalid(path, `Must be one of ${names.join(", ")}.`);
}

/** A rule of the proto whose id is in capitals names the problem's code itself. */
function violated({ field, message, ruleId }: Violation, json: JsonObject): HttpProblem {
  const code = /^[A-Z_]+$/.test(ruleId) ? ruleId : "INVALID_FIELD";
  const missing = code === "INVALID_FIELD" && isMissing(field, json);
  const pattern = ruleId === "string.pattern" ? patternOf(field) : undefined;
  const words = pattern === undefined ? sentence(message) : expectedForm(pattern);
  const detail = missing ? "This field is required." : words;
  return new HttpProblem(code, detail, { field: jsonPath(field) || undefined });
}

/** Of the field itself, or of the elements of a list. */
function patternOf(path: Path): string | undefined {
  const desc = path.findLast((step) => step.kind === "field");
  if (desc?.kind !== "field" || !hasOption(desc, fieldRules)) return undefined;
  const { type } = getOption(desc, fieldRules);
  const rules = type.case === "repeated" ? type.value.items?.type : type;
  return rules?.case === "string" ? rules.value.pattern : undefined;
}

/** The library's words begin small and end without a stop. */
function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** What was not sent broke no pattern: it is not there. */
function isMissing(path: Path, json: JsonObject): boolean {
  let value: JsonValue | undefined = json;
  for (const step of path) {
    if (step.kind === "field" && isObject(value ?? null)) {
      value = (value as JsonObject)[step.jsonName];
    } else if (step.kind === "list_sub" && Array.isArray(value)) value = value[step.index];
    else return false;
    if (value === undefined || value === null) return true;
  }
  return value === "";
}

function jsonPath(path: Path): string {
  return path.reduce((text, step) => {
    if (step.kind === "field") return fieldPath(text, step.jsonName);
    if (step.kind === "list_sub") return `${text}[${step.index}]`;
    return step.kind === "map_sub" ? fieldPath(text, String(step.key)) : text;
  }, "");
}
