/**
 * What the operator sets about deals: the fee table from a TOML or JSON file, and how much a party
 * may begin in one day. Everything that is wrong with them is said at once.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { defaultFees, type FeeRow, type FeeRule, type FeeTable } from "#kernel/fees";
import { currencyOf, maxAmount } from "#kernel/money";

/** FEES: the whole schedule; a currency the file does not name is not taken. */
export const feeFile = z.string().superRefine((path, context) => {
  const { problems } = readFees(path);
  if (problems.length === 0) return;
  context.addIssue({ code: "custom", message: `a fee table (${problems.join("; ")})` });
});

/** PARTY_DAILY_AMOUNT. */
export const amountsByCurrency = z.string().refine((text) => parseAmounts(text) !== undefined, {
  error: "amounts by currency in minor units, such as USD=1000000,EUR=900000",
});

export interface DealSettings {
  readonly FEES?: string | undefined;
  readonly PARTY_DAILY_ESCROWS?: number | undefined;
  readonly PARTY_DAILY_AMOUNT?: string | undefined;
}

export function dealRules({ FEES, PARTY_DAILY_ESCROWS, PARTY_DAILY_AMOUNT }: DealSettings) {
  return {
    fees: FEES === undefined ? defaultFees : readFees(FEES).table,
    limits: {
      ...(PARTY_DAILY_ESCROWS !== undefined && { escrows: BigInt(PARTY_DAILY_ESCROWS) }),
      amounts: parseAmounts(PARTY_DAILY_AMOUNT ?? "") ?? new Map<string, bigint>(),
    },
  };
}

interface ReadFees {
  readonly table: FeeTable;
  /** In words; the table holds only what is right. */
  readonly problems: readonly string[];
}

function readFees(path: string): ReadFees {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return { table: new Map(), problems: ["the file cannot be read"] };
  }
  return parseFees(text, path.endsWith(".json") ? "json" : "toml");
}

export function parseFees(text: string, form: "json" | "toml"): ReadFees {
  const problems: string[] = [];
  const table = new Map<string, FeeRow>();
  let parsed: unknown;
  try {
    parsed = form === "json" ? JSON.parse(text) : Bun.TOML.parse(text);
  } catch {
    return { table, problems: [`the file is not ${form.toUpperCase()}`] };
  }
  for (const [code, row] of membersOf(parsed, "", problems)) {
    if (currencyOf(code) === undefined) problems.push(`${code}: no such currency`);
    const sides = new Map(membersOf(row, code, problems));
    for (const side of sides.keys()) {
      if (side !== "buyer" && side !== "seller") problems.push(`${code}.${side}: buyer or seller`);
    }
    const buyer = ruleOf(sides.get("buyer"), `${code}.buyer`, problems);
    const seller = ruleOf(sides.get("seller"), `${code}.seller`, problems);
    table.set(code, { buyer, seller });
  }
  if (table.size === 0 && problems.length === 0) problems.push("no currency has a row");
  return { table, problems };
}

const parts = ["basisPoints", "fixed", "min", "max"];

/** A side without a rule pays nothing. */
function ruleOf(value: unknown, at: string, problems: string[]): FeeRule {
  const amounts = new Map<string, bigint>();
  for (const [part, text] of membersOf(value ?? {}, at, problems)) {
    const amount = amountOf(text);
    if (!parts.includes(part)) problems.push(`${at}.${part}: one of ${parts.join(", ")}`);
    // A number in such a file has been a double, and a double loses cents.
    else if (amount === undefined) problems.push(`${at}.${part}: whole minor units as a string`);
    else amounts.set(part, amount);
  }
  const [basisPoints = 0n, fixed = 0n] = [amounts.get("basisPoints"), amounts.get("fixed")];
  const [min, max] = [amounts.get("min"), amounts.get("max")];
  if (basisPoints > 10_000n) problems.push(`${at}.basisPoints: at most 10000`);
  if (min !== undefined && max !== undefined && min > max) problems.push(`${at}: min above max`);
  return {
    basisPoints,
    fixed,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  };
}

function membersOf(value: unknown, at: string, problems: string[]): [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value);
  }
  problems.push(`${at || "the file"}: a table`);
  return [];
}

function amountOf(value: unknown): bigint | undefined {
  if (typeof value !== "string" || !/^(0|[1-9][0-9]{0,15})$/.test(value)) return undefined;
  const amount = BigInt(value);
  return amount <= maxAmount ? amount : undefined;
}

export function parseAmounts(text: string): Map<string, bigint> | undefined {
  const amounts = new Map<string, bigint>();
  for (const part of text === "" ? [] : text.split(",")) {
    const [, code = "", value] = /^\s*([A-Z]{3,5})=([0-9]+)\s*$/.exec(part) ?? [];
    const amount = amountOf(value);
    if (currencyOf(code) === undefined || amount === undefined || amounts.has(code))
      return undefined;
    amounts.set(code, amount);
  }
  return amounts;
}
