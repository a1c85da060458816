/**
 * A statement as it is shown, whoever's: balances, and lines by pages, as rows whose members are the
 * JSON's and the columns of the CSV alike.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import type { Queryable } from "#platform/database/database";
import type { LineCursor, Period } from "./statements.ts";

export type Shown = Readonly<Record<string, string>>;

export interface Page {
  readonly limit: number;
  readonly after: LineCursor | undefined;
}

export interface Statement {
  /** What of it is said once: whose it is, how its amounts are signed. */
  readonly about: JsonObject;
  /** Of the CSV, after the first, which tells balances and lines apart. */
  readonly columns: readonly string[];
  /** The members of a balance, by the columns they stand in. */
  readonly balanceColumn: Readonly<Record<string, string>>;
  balances(db: Queryable, at: Date): Promise<readonly Shown[]>;
  lines(
    db: Queryable,
    period: Period,
    page: Page,
  ): Promise<{ readonly lines: readonly Shown[]; readonly next: LineCursor | undefined }>;
}
