import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { CommandSchema } from "#gen/escrow/v1/commands_pb";
import { topics } from "#topics";
import { NotSentError, TransientError } from "../errors.ts";
import type { HttpEnv } from "../module.ts";
import { createAcceptor } from "./accept.ts";
import { problemOf, problemResponse } from "./problem.ts";

/** What is answered when publishing ends so. */
async function answeredTo(failure: Error): Promise<Response> {
  const publisher = { publish: () => Promise.reject(failure) };
  const accept = createAcceptor({ publisher, topic: topics.escrowCommands, publishMs: 1 });
  const command = create(CommandSchema, { commandId: "cmd_1", escrowId: "esc_1" });
  const app = new Hono<HttpEnv>();
  app.onError((error) => problemResponse(problemOf(error), "c-1"));
  app.post("/", (c) => accept(c, command));
  return app.request("/", { method: "POST" });
}

test("seed E2: where nothing was sent the caller hears so, and when to come again", async () => {
  const answer = await answeredTo(new NotSentError("spared", 3_200));
  expect([answer.status, answer.headers.get("Retry-After")]).toEqual([503, "4"]);
  const { detail, ...problem } = (await answer.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ code: "UNAVAILABLE", commandId: "cmd_1", escrowId: "esc_1" });
  expect(detail).toStartWith("This request was not accepted");
  expect(detail).toContain("Try again in 4 s");
});

test("seed E2: where nobody knows, the command may have been accepted", async () => {
  const answer = await answeredTo(new TransientError("no reply"));
  expect([answer.status, answer.headers.get("Retry-After")]).toEqual([503, "1"]);
  expect(await answer.json()).toMatchObject({
    detail: expect.stringContaining("may have been accepted"),
  });
});
