/** A story in which our books and the provider's do not agree, and the line is stopped. */
import { expectState, fund } from "../sale.ts";
import type { Story } from "../story.ts";

const stopped: Story = {
  name: "reconciliation-break",
  title: "The provider's books show what nobody explains: releases stop until two people resume",
  async play(stage) {
    const [olga, otto] = [stage.as("olga", "admin"), stage.as("otto", "admin")];
    const sale = await fund(stage);
    await olga.post("/sandbox/movements", {
      amount: "-900",
      currency: "USD",
      category: "transfer",
    });
    await stage.pass("PT2M");
    await olga.post("/v1/operations/reconcile");
    const { body } = await olga.get("/v1/providers");
    const sandbox = body.items.find(({ name }: { name: string }) => name === "sandbox");
    stage.expect("reconciliation finds it", sandbox.breaks[0]?.kind, "missing_here");
    stage.expect("and stops the line", sandbox.stopped?.reason, "RECONCILIATION");
    await sale.act(sale.alice, "release");
    await stage.settle();
    await expectState(stage, sale, "a release waits", "RELEASE_BLOCKED");
    const asked = await olga.post("/v1/providers/sandbox/resume", { reason: "looked into it" });
    stage.expect("one operator alone cannot resume", asked.body.status, "awaiting_approval");
    const approve = `/v1/approvals/${asked.body.approvalId}/approve`;
    stage.expect("nor approve her own request", (await olga.post(approve)).status, 403);
    await otto.post(approve);
    await stage.settle();
    await expectState(stage, sale, "a second one does, and the release goes on", "RELEASED");
  },
};

export const books: readonly Story[] = [stopped];
