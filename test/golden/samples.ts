/**
 * One message of each type that a topic carries, with every field set to something of its own, so
 * that a field which moved, changed its kind or vanished is seen in bytes made before. Made from the
 * descriptors alone: a field that is added changes the sample, and so asks for new golden bytes.
 */
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  fromBinary,
  getOption,
  hasOption,
  type Message,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { field as fieldRules } from "#gen/buf/validate/validate_pb";
import type { AnyTopic } from "#platform/messaging/topic";
import { allTopics } from "#topics";

/** A line of a golden file: never changed once it is committed. */
export interface Golden {
  readonly type: string;
  /** Base64. */
  readonly bytes: string;
  /** What it says, so that bytes which still decode cannot come to mean something else. */
  readonly json: unknown;
}

export const folder = new URL(".", import.meta.url).pathname;

export function pathOf({ name }: AnyTopic): string {
  return `${folder}${name}.jsonl`;
}

export async function readGolden(topic: AnyTopic): Promise<readonly Golden[]> {
  const file = Bun.file(pathOf(topic));
  if (!(await file.exists())) return [];
  const lines = (await file.text()).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line));
}

/** The types a topic carries: members of the body, or the message itself where it has none. */
export function samplesOf({ schema, typeOf }: AnyTopic): readonly Golden[] {
  const body = schema.oneofs.find(({ name }) => name === "body");
  const members: readonly (DescField | undefined)[] = body?.fields ?? [undefined];
  return members.map((member) => {
    const bytes = toBinary(schema, sampleOf(schema, member));
    const message: Message = fromBinary(schema, bytes);
    return {
      type: typeOf(message),
      bytes: Buffer.from(bytes).toString("base64"),
      json: toJson(schema, message),
    };
  });
}

/** Each type's lines together, in the order they were added; those that exist stay as they are. */
export function withAdditions(
  kept: readonly Golden[],
  samples: readonly Golden[],
): readonly Golden[] {
  const known = new Set(kept.map(({ bytes }) => bytes));
  const added = samples.filter(({ bytes }) => !known.has(bytes));
  return [...kept, ...added].sort((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0));
}

export const topicsWithGolden: readonly AnyTopic[] = allTopics;

/** `chosen`: the member of the first oneof it stands in; of others the first is taken. */
function sampleOf(message: DescMessage, chosen?: DescField): Message {
  if (message.typeName === "google.protobuf.Timestamp") {
    return create(message, { seconds: 1_767_323_045n, nanos: 6_000_000 });
  }
  const values: Record<string, unknown> = {};
  for (const member of message.members) {
    if (member.kind === "field") values[member.localName] = partOf(member);
    else {
      const one = member.fields.find((field) => field === chosen) ?? member.fields[0];
      if (one) values[member.localName] = { case: one.localName, value: partOf(one) };
    }
  }
  return create(message, values);
}

function partOf(field: DescField): unknown {
  switch (field.fieldKind) {
    case "message":
      return sampleOf(field.message);
    case "enum":
      return enumOf(field.enum);
    case "scalar":
      return scalarOf(field, field.scalar);
    case "list":
      return [listedOf(field)];
    case "map":
      return {
        [`${field.localName}Key`]: field.mapKind === "scalar" ? field.localName : undefined,
      };
    default:
      return field satisfies never;
  }
}

function listedOf(field: DescField & { fieldKind: "list" }): unknown {
  if (field.listKind === "message") return sampleOf(field.message);
  return field.listKind === "enum" ? enumOf(field.enum) : scalarOf(field, field.scalar);
}

function enumOf({ values }: DescEnum): number {
  return (values[1] ?? values[0])?.number ?? 0;
}

function scalarOf(field: DescField, type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return textOf(field);
    case ScalarType.BOOL:
      return true;
    case ScalarType.BYTES:
      return Uint8Array.of(field.number % 256, 0, 255);
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return BigInt(1_000 + field.number);
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return field.number;
    default:
      throw new Error(`no sample for ${field.parent.typeName}.${field.name}`);
  }
}

/** The field's own name, or the first of a few that the rule on it lets pass. */
function textOf(field: DescField): string {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
  const { pattern = "", maxLen = 0n } = rules?.type.case === "string" ? rules.type.value : {};
  const name = maxLen > 0n ? field.localName.slice(0, Number(maxLen)) : field.localName;
  const hex = Buffer.from(field.localName).toString("hex").repeat(32).slice(0, 64);
  const found = [name, hex, "USD", "50"].find((text) => new RegExp(pattern).test(text));
  if (found === undefined) throw new Error(`no sample matches ${pattern} of ${field.name}`);
  return found;
}
