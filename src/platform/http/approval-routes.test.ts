// C4: two modules keep approvals behind the same paths.
import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Hono } from "hono";
import { type Command, CommandSchema } from "#gen/payments/v1/commands_pb";
import type { HttpEnv } from "../module.ts";
import { createApprovalRoutes } from "./approval-routes.ts";
import type { Approvals, OpenApproval } from "./approvals.ts";

function approvalsOf(module: string, ...askedAt: string[]): Approvals<Command> {
  const shown = (at: string) => ({ approvalId: `${module}${at}`, askedAt: at }) as OpenApproval;
  return {
    ask: async () => module,
    approve: async (id) =>
      id.startsWith(module) ? create(CommandSchema, { escrowId: module }) : undefined,
    finish: async () => undefined,
    open: async () => ({ approvals: askedAt.map(shown), more: module === "a" }),
  };
}

function appWith(roles: string[], ...modules: Approvals<Command>[]): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.onError((error, c) => c.text(error.message, 403));
  app.use(async (c, next) => {
    c.set("principal", { issuer: "app", subject: "olga", roles });
    await next();
  });
  for (const approvals of modules) {
    const accept = async (_: unknown, { escrowId }: Command) => Response.json({ by: escrowId });
    app.route("/", createApprovalRoutes({ approvals, accept }));
  }
  return app;
}

const [a, b] = [approvalsOf("a", "1", "4"), approvalsOf("b", "2", "5")];

test("C4: the list holds what waits in every module, oldest first", async () => {
  const answer = await appWith(["admin"], a, b).request("/v1/approvals");
  const { approvals, more } = (await answer.json()) as Awaited<ReturnType<typeof a.open>>;
  expect(approvals.map(({ approvalId }) => approvalId)).toEqual(["a1", "b2", "a4", "b5"]);
  expect([answer.status, more]).toEqual([200, true]);
});

test("C4: an approval is found in whichever module has it, or in none", async () => {
  const app = appWith(["admin"], a, b);
  const approve = (id: string) => app.request(`/v1/approvals/${id}/approve`, { method: "POST" });
  expect(await (await approve("b2")).json()).toEqual({ by: "b" });
  expect(await (await approve("a1")).json()).toEqual({ by: "a" });
  expect((await approve("c1")).status).toBe(404);
});

test("C4: who is no operator sees and approves nothing", async () => {
  const app = appWith(["auditor"], a, b);
  expect((await app.request("/v1/approvals")).status).toBe(403);
  expect((await app.request("/v1/approvals/a1/approve", { method: "POST" })).status).toBe(403);
});
