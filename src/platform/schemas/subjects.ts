/**
 * What a schema registry is told of our topics: a subject per topic, named after it, and one per
 * file that its messages come from. A file stands behind those it imports.
 */
import type { DescFile } from "@bufbuild/protobuf";
import type { AnyTopic } from "../messaging/topic.ts";

export interface Subject {
  readonly name: string;
  readonly text: string;
  /** The files it imports, and the subjects they stand under. */
  readonly imports: readonly { readonly name: string; readonly subject: string }[];
  /** The topic whose values it describes; absent on files that are only imported. */
  readonly topic?: string;
  /** A copy of somebody else's file: its subject may be shared, so its level is left alone. */
  readonly foreign: boolean;
}

export interface SubjectsOptions {
  readonly topics: readonly AnyTopic[];
  /** What a topic is called in this cluster. */
  readonly nameOf: (topic: string) => string;
  readonly read: (file: string) => Promise<string>;
}

/** Registries know these by themselves. */
const isBuiltIn = ({ proto }: DescFile): boolean => proto.name.startsWith("google/protobuf/");
const isForeign = ({ proto }: DescFile): boolean => proto.name.startsWith("buf/");

export async function subjectsOf(options: SubjectsOptions): Promise<readonly Subject[]> {
  const { topics, nameOf, read } = options;
  const files = new Map<string, DescFile>();
  for (const { schema } of topics) collect(importsOf(schema.file), files);
  const subjectOf = async (name: string, file: DescFile): Promise<Subject> => ({
    name,
    text: await read(file.proto.name),
    imports: importsOf(file).map(({ proto }) => ({ name: proto.name, subject: proto.name })),
    foreign: isForeign(file),
  });
  return Promise.all([
    ...[...files].map(([name, file]) => subjectOf(name, file)),
    ...topics.map(async ({ name, schema }) => ({
      ...(await subjectOf(`${nameOf(name)}-value`, schema.file)),
      topic: name,
    })),
  ]);
}

/** Depth first: what a file imports stands before it. */
function collect(found: readonly DescFile[], files: Map<string, DescFile>): void {
  for (const file of found) {
    collect(importsOf(file), files);
    files.set(file.proto.name, file);
  }
}

function importsOf(file: DescFile): readonly DescFile[] {
  return file.dependencies.filter((one) => !isBuiltIn(one));
}
