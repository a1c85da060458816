/** A limit as typed is one a request can be made with. */
import { expect, test } from "bun:test";
import { LetterRequestSchema, RetryHeldRequestSchema } from "#gen/platform/v1/operations_pb";
import { toMessage } from "#platform/http/body";
import { ExitError } from "./exit.ts";
import { limitIn } from "./usage.ts";

test("a limit goes into a request for letters, and into one for held rows", () => {
  const body = { all: true, reason: "INC-1", limit: limitIn([], "5", 1_000) };
  expect(toMessage(LetterRequestSchema, body).limit).toBe(5);
  expect(toMessage(RetryHeldRequestSchema, body).limit).toBe(5);
});

test.each(["0", "1001", "some"])("--limit %s is a matter of usage", (text) => {
  expect(() => limitIn([], text, 1_000)).toThrow(ExitError);
});

test("beside ids a limit would mean nothing, and is refused", () => {
  expect(() => limitIn(["escrow/1"], "5", 1_000)).toThrow("ids are named");
});
