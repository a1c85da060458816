/**
 * Balances and lines in one table, told apart by the first column; read page by page, so not of one
 * snapshot: up to this very instant, it can miss what is booked while it is read.
 */
import type { Queryable } from "#platform/database/database";
import type { Shown, Statement } from "./statement.ts";
import type { Period } from "./statements.ts";

export function csvOf(
  db: Queryable,
  statement: Statement,
  period: Period,
  pageSize: number,
): Response {
  const text = csvRows(db, statement, period, pageSize);
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await text.next();
      if (done === true) controller.close();
      else controller.enqueue(new TextEncoder().encode(value));
    },
    cancel: async () => {
      await text.return(undefined);
    },
  });
  return new Response(body, {
    headers: {
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": 'attachment; filename="statement.csv"',
    },
  });
}

async function* csvRows(
  db: Queryable,
  statement: Statement,
  { from, until }: Period,
  limit: number,
) {
  const { columns } = statement;
  yield `${csvRow(["kind", ...columns])}${await csvBalances(db, statement, "opening", from)}`;
  let after: string | undefined;
  do {
    const { lines, next } = await statement.lines(db, { from, until }, { limit, after });
    yield lines.map((line) => csvRow(["line", ...columns.map((c) => line[c] ?? "")])).join("");
    after = next;
  } while (after !== undefined);
  yield await csvBalances(db, statement, "closing", until);
}

async function csvBalances(
  db: Queryable,
  statement: Statement,
  kind: string,
  at: Date,
): Promise<string> {
  const { columns, balanceColumn } = statement;
  // From the beginning on there is no day to name.
  const atText = at.getTime() === 0 ? "" : at.toISOString();
  const cell = (balance: Shown, column: string) =>
    column === "at" ? atText : balance[balanceColumn[column] ?? column];
  return (await statement.balances(db, at))
    .map((balance) => csvRow([kind, ...columns.map((column) => cell(balance, column) ?? "")]))
    .join("");
}

/** Ids may hold what a spreadsheet would take for a separator. */
function csvRow(cells: readonly string[]): string {
  const quoted = cells.map((cell) =>
    /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
  );
  return `${quoted.join(",")}\n`;
}
