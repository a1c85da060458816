import { expect, test } from "bun:test";
import { UnpackError } from "#platform/messaging/kafka/compression";
import { explain } from "#platform/messaging/kafka/errors";
import { unable } from "./unable.ts";

test("a right is asked for where one lacks, and nowhere else", () => {
  const forbidden = Object.assign(new Error("no"), { type: "TOPIC_AUTHORIZATION_FAILED" });
  expect(unable("read notes.v1", explain(forbidden, "notes.v1"))).toMatchObject({
    text: expect.stringContaining("may not read notes.v1: "),
    remedy: "grant what `app topics --format acls` prints for this role",
  });
  const damaged = new UnpackError("a batch packed with lz4 cannot be unpacked: it is cut short");
  expect(unable("read notes.v1", explain(damaged, "notes.v1"))).toMatchObject({
    text: `cannot read notes.v1: Kafka: ${damaged.message}`,
    remedy: expect.stringContaining("docs/operations.md (A batch that cannot be unpacked)"),
  });
  const { text, remedy } = unable("write notes.v1", new Error("too late"));
  expect(text).toBe("cannot write notes.v1: too late");
  expect(remedy).not.toContain("grant");
});
