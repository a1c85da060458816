/** One rule for what is refused, whichever way it was asked. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { HttpProblem, problemResponse, unavailable } from "#platform/http/problem";
import { askAt } from "./ask-server.ts";
import { ExitError, explain } from "./exit.ts";
import { checked } from "./usage.ts";

const problems: Readonly<Record<string, HttpProblem>> = {
  "/held": new HttpProblem("LEGAL_HOLD", "A hold stands.", { field: "party" }),
  "/nobody": new HttpProblem("NOT_FOUND", "There is nothing here for you."),
  "/stranger": new HttpProblem("INVALID_TOKEN", "This token is not valid."),
};

let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    fetch: ({ url }) =>
      problemResponse(problems[new URL(url).pathname] ?? unavailable(), "correlation"),
  });
});
afterAll(() => server.stop(true));

const thrown = (work: Promise<unknown>) => work.then(() => undefined, explain);
const asked = (path: string) => thrown(askAt({ url: server.url.origin, token: "t" }, path));

test.each(Object.entries(problems))(
  "%s is refused with 6 and the same words by a server and without one",
  async (path, problem) => {
    const here = explain(problem);
    expect(here).toEqual({ code: 6, message: `refused: ${problem.code} ${problem.message}` });
    expect(await asked(path)).toEqual(here);
  },
);

test("what is not available is a dependency's matter, by a server and without one", async () => {
  expect(explain(unavailable()).code).toBe(4);
  expect((await asked("/elsewhere"))?.code).toBe(4);
});

test("a rule of the server's that is kept before asking is a matter of usage", () => {
  const refuse = () => {
    throw new HttpProblem("BAD_REQUEST", "An instant such as 2030.", { field: "--from" });
  };
  expect(() => checked(refuse)).toThrow(new ExitError(2, "--from: An instant such as 2030."));
});
