/** Ways to read a record for a listener: by a topic's proto, or as JSON. */
import type { Message } from "@bufbuild/protobuf";
import { decode } from "../messaging/codec.ts";
import type { Topic } from "../messaging/topic.ts";
import type { Reader } from "./listener.ts";

const text = new TextDecoder("utf-8", { fatal: true });

export function protoReader<M extends Message>(topic: Topic<M>): Reader<M> {
  return (record) => decode(topic, record).message;
}

/** JSON, then what `parse` makes of it; a record without a value says nothing. */
export function jsonReader<T>(parse: (json: unknown) => T): Reader<T> {
  return ({ value }) => {
    if (value.length === 0) return undefined;
    return parse(JSON.parse(text.decode(value)));
  };
}
