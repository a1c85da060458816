/**
 * The comments of the proto files, by message and field: what is documented there is documented in
 * the reference. Generated code has none, so the files themselves are read; they are in the binary.
 */
import { readProtoFile } from "../../schemas/proto-files.ts";
import type { Comments } from "./proto-schema.ts";

/** Those that messages of HTTP bodies and answers stand in. */
const files = [
  "escrow/v1/http.proto",
  "escrow/v1/queries.proto",
  "escrow/v1/types.proto",
  "escrow/v1/events.proto",
  "payments/v1/http.proto",
  "platform/v1/http.proto",
  "platform/v1/operations.proto",
];

export async function readComments(): Promise<Comments> {
  const found = new Map<string, string>();
  for (const file of files) {
    const name = file.slice(0, file.lastIndexOf("/")).replaceAll("/", ".");
    collect(await readProtoFile(file), name, found);
  }
  return (typeName, fieldName) =>
    found.get(fieldName === undefined ? typeName : `${typeName}.${fieldName}`);
}

const opens = /^(?:message|enum|oneof|extend)\s+(\w+)\s*\{/;
const fieldLine = /^(?:repeated |optional )?[\w.]+(?:<.*?>)?\s+(\w+)\s*=\s*\d+/;

function collect(text: string, packageName: string, found: Map<string, string>): void {
  const path = [packageName];
  // Braces of options stand inside a field and open no name.
  const depths: boolean[] = [];
  let comment: string[] = [];
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (line.startsWith("//")) {
      comment.push(line.slice(2).trim());
      continue;
    }
    const opened = opens.exec(line)?.[1];
    const name = opened ?? fieldLine.exec(line)?.[1];
    const key = [...path, name].join(".");
    if (name !== undefined && comment.length > 0) found.set(key, comment.join(" "));
    comment = [];
    for (const brace of line.replace(/"(?:[^"\\]|\\.)*"/g, "").match(/[{}]/g) ?? []) {
      if (brace === "}") {
        if (depths.pop()) path.pop();
      } else {
        const named = opened !== undefined && !line.startsWith("oneof");
        depths.push(named);
        if (named) path.push(opened);
      }
    }
  }
}
