import { expect, test } from "bun:test";
import { TransientError } from "../errors.ts";
import type { Session } from "./queryable.ts";
import { runTransaction } from "./transaction.ts";

/** Answers in order; what begins the transaction may be refused. */
function sessionThat({ begins }: { readonly begins: boolean }) {
  const sent: string[] = [];
  const session: Session = {
    run: async ({ text }) => {
      sent.push(text);
      await Bun.sleep(1);
      return [];
    },
    script: async (text) => {
      sent.push(text.split(" ")[0] ?? "");
      await Bun.sleep(1);
      if (text.startsWith("BEGIN") && !begins) throw new TransientError("gone");
      return text;
    },
    abandon: () => undefined,
  };
  return { sent, session };
}

test("BEGIN leaves with the first statement, in front of it", async () => {
  const { sent, session } = sessionThat({ begins: true });
  await runTransaction(session, async (tx) => {
    const first = tx.sql`SELECT 1`;
    expect(sent).toEqual(["BEGIN", "SELECT 1"]);
    await first;
  });
  expect(sent).toEqual(["BEGIN", "SELECT 1", "COMMIT"]);
});

test("where BEGIN was refused nothing is written and nothing committed", async () => {
  const { sent, session } = sessionThat({ begins: false });
  const work = runTransaction(session, async (tx) => {
    await tx.sql`SELECT 1`.catch(() => undefined);
    await tx.sql`INSERT`.catch(() => undefined);
  });
  expect(await work.catch((error: Error) => error.message)).toBe("gone");
  expect(sent).toEqual(["BEGIN", "SELECT 1", "ROLLBACK"]);
});
