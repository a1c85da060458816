/**
 * How frames.jsonl beside this file was made, once, with Confluent's own serializer; it is not run by
 * the tests, because that serializer and what it brings along are 148 MB. In an empty folder:
 *   bun add @confluentinc/schemaregistry@1.10.1 && bun REPOSITORY/test/golden/confluent/make.ts
 */
import { createRequire } from "node:module";
import { fromBinary, type Message } from "@bufbuild/protobuf";
import { readGolden, topicsWithGolden } from "../samples.ts";

const outside = createRequire(`${process.cwd()}/`);
const { ProtobufSerializer, SchemaRegistryClient, SerdeType } = outside(
  "@confluentinc/schemaregistry",
);
const client = SchemaRegistryClient.newClient({ baseURLs: ["mock://frames"] });
const serializer = new ProtobufSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: true });

const lines: string[] = [];
for (const topic of topicsWithGolden) {
  serializer.registry.add(topic.schema);
  for (const { type, bytes } of (await readGolden(topic)).slice(0, 2)) {
    const message: Message = fromBinary(topic.schema, Buffer.from(bytes, "base64"));
    const framed: Buffer = await serializer.serialize(topic.name, message);
    lines.push(JSON.stringify({ topic: topic.name, type, framed: framed.toString("base64") }));
  }
}
await Bun.write(`${import.meta.dir}/frames.jsonl`, `${lines.join("\n")}\n`);
