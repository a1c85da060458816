/**
 * A consumer that knows nothing of this program: Kafka's values as they lie there, and for each the
 * message that its frame and the schema registry say it is.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createFileRegistry, fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Kafka, logLevel } from "kafkajs";
import { run } from "../../scripts/process.ts";
import { unique } from "./logs.ts";

export interface Value {
  readonly key: string;
  readonly value: Buffer;
}

/** All values of a topic up to its end as of now. */
export async function valuesOf(brokers: string, topic: string): Promise<readonly Value[]> {
  const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const total = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const found: Value[] = [];
  if (total === 0) return found;
  const consumer = kafka.consumer({ groupId: unique("stranger") });
  await consumer.subscribe({ topic, fromBeginning: true });
  const { promise: all, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      found.push({ key: String(message.key), value: message.value ?? Buffer.alloc(0) });
      if (found.length >= total) resolve();
    },
  });
  await all;
  await consumer.disconnect();
  return found;
}

/** By the schema of its id, compiled from the registry's text, and the place its frame tells. */
export async function decodeBySchema(
  registry: string,
  { value }: Value,
): Promise<{ readonly type: string; readonly json: JsonValue }> {
  if (value[0] !== 0) throw new Error("no frame");
  const [count = 0, ...places] = numbersAt(value.subarray(5));
  const indexes = count === 0 ? [0] : places.slice(0, count);
  const length = count === 0 ? 1 : 1 + count;
  const file = await compiled(registry, value.readInt32BE(1));
  const message = file.messages[indexes[0] ?? -1];
  if (message === undefined || indexes.length !== 1) throw new Error("no such message");
  const read = fromBinary(message, value.subarray(5 + length));
  return { type: message.typeName, json: toJson(message, read) };
}

/** Places below 64 are one byte each. */
function numbersAt(bytes: Buffer): number[] {
  return [...bytes.subarray(0, 8)].map((byte) => byte / 2);
}

interface Shown {
  readonly schema: string;
  readonly references?: readonly { name: string; subject: string; version: number }[];
}

async function compiled(registry: string, id: number) {
  const folder = mkdtempSync(join(tmpdir(), "schemas-"));
  const write = async (name: string, path: string): Promise<void> => {
    const { schema, references = [] } = (await (await fetch(`${registry}${path}`)).json()) as Shown;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), schema);
    for (const { name: imported, subject, version } of references) {
      await write(imported, `/subjects/${encodeURIComponent(subject)}/versions/${version}`);
    }
  };
  try {
    await write("value.proto", `/schemas/ids/${id}`);
    const output = join(folder, "compiled.binpb");
    await run(["buf", "build", folder, "-o", output]);
    const set = fromBinary(FileDescriptorSetSchema, await Bun.file(output).bytes());
    const file = createFileRegistry(set).getFile("value.proto");
    if (file === undefined) throw new Error("not compiled");
    return file;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
