/**
 * JSON Schema of a message as it stands in a body or an answer. The rules written in the proto are
 * carried over, so that the reference promises what the routes check.
 */
import {
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { type FieldRules, field as fieldRules } from "#gen/buf/validate/validate_pb";

export type JsonSchema = { readonly [key: string]: unknown };

/** A body is read strictly (no numbers, unknown fields refused); an answer names all its fields. */
export type Use = "body" | "answer";

export type Comments = (typeName: string, fieldName?: string) => string | undefined;

export interface SchemaOptions {
  readonly use: Use;
  readonly comments: Comments;
  /** Remembers a message met on the way; its place in the document. */
  readonly refer: (desc: DescMessage, use: Use) => string;
}

export function messageSchema(desc: DescMessage, options: SchemaOptions): JsonSchema {
  const properties = desc.fields.map((field) => [field.jsonName, fieldSchema(field, options)]);
  const required = desc.fields.filter((field) => isRequired(field, options.use));
  return {
    type: "object",
    ...described(options.comments(desc.typeName)),
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required: required.map(({ jsonName }) => jsonName) }),
    additionalProperties: false,
  };
}

function fieldSchema(field: DescField, options: SchemaOptions): JsonSchema {
  const rules = rulesOf(field);
  const schema = formOf(field, rules, options);
  return { ...schema, ...described(options.comments(field.parent.typeName, field.name)) };
}

function formOf(
  field: DescField,
  rules: FieldRules | undefined,
  options: SchemaOptions,
): JsonSchema {
  if (field.fieldKind === "map") {
    const { value: map } = rules?.type.case === "map" ? rules.type : {};
    return {
      type: "object",
      ...(map?.maxPairs !== undefined &&
        hasSome(map.maxPairs) && { maxProperties: Number(map.maxPairs) }),
      additionalProperties: one(field, map?.values, options),
    };
  }
  if (field.fieldKind === "list") {
    const { value: list } = rules?.type.case === "repeated" ? rules.type : {};
    return {
      type: "array",
      items: one(field, list?.items, options),
      ...(list && hasSome(list.minItems) && { minItems: Number(list.minItems) }),
      ...(list && hasSome(list.maxItems) && { maxItems: Number(list.maxItems) }),
      ...(list?.unique && { uniqueItems: true }),
    };
  }
  return one(field, rules, options);
}

function hasSome(count: bigint): boolean {
  return count > 0n;
}

function one(
  field: DescField,
  rules: FieldRules | undefined,
  { use, refer }: SchemaOptions,
): JsonSchema {
  if (field.message !== undefined) {
    if (field.message.typeName === "google.protobuf.Timestamp")
      return { type: "string", format: "date-time" };
    const schema = { $ref: refer(field.message, use) };
    // What a client may write shortly.
    if (use === "body" && field.message.typeName === "escrow.v1.AmountInput") {
      return { oneOf: [{ type: "string", pattern: "^([1-9][0-9]{0,14}|10{15})$" }, schema] };
    }
    return schema;
  }
  if (field.enum !== undefined) {
    const values = field.enum.values.filter(({ number }) => use === "answer" || number !== 0);
    return { type: "string", enum: values.map(({ name }) => name) };
  }
  if (field.scalar === ScalarType.BOOL) return { type: "boolean" };
  if (field.scalar === ScalarType.STRING) return { type: "string", ...stringRules(rules) };
  if (use === "body") return { type: "string", pattern: "^-?[0-9]+$" };
  return isLong(field.scalar) ? { type: "string", pattern: "^-?[0-9]+$" } : { type: "integer" };
}

function stringRules(rules: FieldRules | undefined): JsonSchema {
  // A rule of its own code is an expression; ours only match.
  const own = rules?.cel.map(({ expression }) => /matches\('([^']+)'\)/.exec(expression)?.[1])[0];
  const { value: text } = rules?.type.case === "string" ? rules.type : {};
  const pattern = own ?? (text?.pattern || undefined);
  return {
    ...(pattern !== undefined && { pattern }),
    ...(text && hasSome(text.minLen) && { minLength: Number(text.minLen) }),
    ...(text && hasSome(text.maxLen) && { maxLength: Number(text.maxLen) }),
    ...(text && text.in.length > 0 && { enum: [...text.in] }),
  };
}

/** In an answer what has a default is written out; in a body what may not be empty must be there. */
function isRequired(field: DescField, use: Use): boolean {
  if (use === "answer") {
    if (field.fieldKind === "list" || field.fieldKind === "map") return true;
    return field.message === undefined && field.oneof === undefined && !field.proto.proto3Optional;
  }
  const rules = rulesOf(field);
  if (rules === undefined) return false;
  if (rules.required) return true;
  const { type } = rules;
  if (type.case === "repeated") return hasSome(type.value.minItems);
  if (field.fieldKind !== "scalar" || field.scalar !== ScalarType.STRING) return false;
  const { pattern, minLength } = stringRules(rules);
  return (
    minLength !== undefined || (typeof pattern === "string" && !new RegExp(pattern, "u").test(""))
  );
}

function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
}

function isLong(scalar: ScalarType | undefined): boolean {
  return (
    scalar !== undefined &&
    [ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64].includes(scalar)
  );
}

function described(text: string | undefined): JsonSchema {
  return text === undefined ? {} : { description: text };
}
