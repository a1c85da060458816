/**
 * I11: where a provider was reconciled, each of its movements and each of our postings on its
 * clearing account matches or is an open break with the figures of today. Compared anew from the
 * tables, whatever reconciliation itself came to.
 */

import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { type Check, type Finding, found } from "#platform/verify/checks";
import { coverOf } from "../ledger/cover.ts";
import { stopsOf } from "../stops/provider-stops.ts";
import { type BreakRow, openBreaks } from "./breaks.ts";
import { classify, freshMs, type Pair, type Side, weightOf } from "./classify.ts";
import { compareBooks, type Scope } from "./compare.ts";

export function checkReconciled(db: Database, clock: Clock): Check {
  return async () => {
    const marks = await db.sql<{ provider: string; done_until: Date }>`
      SELECT provider, done_until FROM payments.provider_task
      WHERE task = 'reconcile' AND done_until IS NOT NULL ORDER BY provider`;
    const findings: Finding[] = [];
    for (const { provider, done_until } of marks) {
      findings.push(await checkProvider(db, provider, done_until, clock.now()));
    }
    return findings;
  };
}

async function checkProvider(
  db: Database,
  provider: string,
  doneUntil: Date,
  now: Date,
): Promise<Finding> {
  const open = await openBreaks(db, provider);
  const known = new Map(open.map((row) => [nameOf(row), row]));
  const stopped = (await stopsOf(db)).has(provider);
  const asked = `${provider} and our books agree, or a break says by how much`;
  const cover = await coverIn(db, provider);
  const name = [asked, ...openText(open), ...(stopped ? ["RELEASES STOPPED"] : []), ...cover].join(
    "; ",
  );
  let checked = 0n;
  for await (const scope of scopes(db, provider)) {
    const pairs = await compareBooks(db, provider, scope);
    checked += BigInt(pairs.length);
    const wrong = pairs.find((pair) => isUntold(pair, known, doneUntil, now));
    if (wrong !== undefined) return { id: "I11", name, checked, ...found(sentence(wrong)) };
  }
  return { id: "I11", name, checked };
}

/** How much is apart, whichever way: two breaks in opposite directions are no agreement. */
function openText(rows: readonly BreakRow[]): string[] {
  if (rows.length === 0) return [];
  const sums = new Map<string, bigint>();
  for (const { currency, ours, theirs, ours_fee, theirs_fee } of rows) {
    const weight = weightOf({ gross: theirs - ours, fee: theirs_fee - ours_fee });
    sums.set(currency, (sums.get(currency) ?? 0n) + weight);
  }
  const apart = [...sums].map(([currency, sum]) => `${sum} ${currency}`).join(", ");
  return [
    `${rows.length} ${rows.length === 1 ? "break" : "breaks"} open, ${apart} (minor units) apart`,
  ];
}

/** No rule is broken by a cover below 0, and yet one party's money pays another. */
async function coverIn(db: Database, provider: string): Promise<string[]> {
  const covers = (await coverOf(db)).filter((cover) => cover.provider === provider);
  const parts = covers.map(({ currency, clearing, owed }) => `${clearing - owed} ${currency}`);
  return parts.length === 0 ? [] : [`cover ${parts.join(", ")} (minor units)`];
}

/** What moved after the last reading was never compared. */
function isUntold(
  pair: Pair,
  known: ReadonlyMap<string, BreakRow>,
  doneUntil: Date,
  now: Date,
): boolean {
  const verdict = classify(pair, now);
  if (verdict === undefined || verdict === "fresh") return false;
  const { ours, theirs, escrowNo: escrow_no, key, currency } = pair;
  const judgedUntil = doneUntil.getTime() - freshMs;
  if ([ours, theirs].some((side) => side !== undefined && side.lastAt.getTime() >= judgedUntil)) {
    return false;
  }
  const row = known.get(nameOf({ escrow_no, key, currency }));
  return row === undefined || !isLike(row, ours, theirs);
}

function isLike(row: BreakRow, ours: Side | undefined, theirs: Side | undefined): boolean {
  const { gross = 0n, fee = 0n } = ours ?? {};
  const { gross: theirGross = 0n, fee: theirFee = 0n } = theirs ?? {};
  return (
    row.ours === gross &&
    row.ours_fee === fee &&
    row.theirs === theirGross &&
    row.theirs_fee === theirFee
  );
}

function sentence({ escrowNo, key, ours, theirs }: Pair): string {
  const side = (one: Side | undefined) => (one ? `${one.gross} (fee ${one.fee})` : "nothing");
  return `${escrowNo}/${key}: ${side(ours)} here, ${side(theirs)} there, and no break says so`;
}

function nameOf({ escrow_no, key, currency }: Pick<BreakRow, "escrow_no" | "key" | "currency">) {
  return `${escrow_no} ${key} ${currency}`;
}

const slice = 250;

async function* scopes(db: Database, provider: string): AsyncGenerator<Scope> {
  for (let after = 0n; ; ) {
    const rows = await db.sql<{ no: bigint }>`
      SELECT escrow_no AS no FROM payments.payment WHERE escrow_no > ${after}
      ORDER BY escrow_no LIMIT ${slice}`;
    const last = rows.at(-1);
    if (last === undefined) break;
    yield { escrowNos: rows.map(({ no }) => no), keys: [] };
    after = last.no;
  }
  for (let after = ""; ; ) {
    const rows = await db.sql<{ key: string }>`
      SELECT key FROM (
        SELECT key FROM payments.provider_movement WHERE provider = ${provider} AND escrow_no = 0
        UNION SELECT reference FROM payments.ledger_transaction WHERE escrow_no = 0
      ) keys WHERE key > ${after} ORDER BY key LIMIT ${slice}`;
    const last = rows.at(-1);
    if (last === undefined) return;
    yield { escrowNos: [], keys: rows.map(({ key }) => key) };
    after = last.key;
  }
}
