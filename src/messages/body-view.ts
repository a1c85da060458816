/**
 * A message's body as operators see it, decoded by its topic's own type. Texts of people stay sealed:
 * whoever may look here may not read them.
 */
import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { allTopics } from "#topics";

/** Enough of a stranger's bytes to recognize them by. */
const shownBytes = 96;

export interface BodyView {
  /** The full proto name of what it says; undefined where it cannot be decoded. */
  readonly type: string | undefined;
  readonly body: JsonValue;
}

export function bodyView(topicName: string, value: Uint8Array): BodyView {
  const topic = allTopics.find(({ name }) => name === topicName);
  try {
    if (topic === undefined) throw new Error(`${topicName} is no topic of this program`);
    const message = fromBinary(topic.schema, value);
    const body = sealed(toJson(topic.schema, message) as JsonValue);
    return { type: topic.typeOf(message as never), body };
  } catch (error) {
    return {
      type: undefined,
      body: {
        undecodable: error instanceof Error ? error.message : String(error),
        bytes: value.length,
        sha256: new Bun.CryptoHasher("sha256").update(value).digest("hex"),
        startsWith: Buffer.from(value.subarray(0, shownBytes)).toString("base64"),
      },
    };
  }
}

/** The ciphertext of a sealed text is left out; whose it is stays. */
function sealed(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(sealed);
  if (typeof json !== "object" || json === null) return json;
  if ("ciphertext" in json && "keyId" in json) return { subject: json.subject ?? "", sealed: true };
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, sealed(value)]));
}
