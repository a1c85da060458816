/**
 * Runs every invariant there is, those of the modules and those no module can see alone, and says of
 * each whether it holds.
 */
import type { Check, CheckContext, Finding } from "#platform/verify/checks";

export interface Report {
  readonly ok: boolean;
  readonly checks: readonly Verdict[];
}

export interface Verdict {
  readonly id: string;
  readonly name: string;
  readonly ok: boolean;
  readonly checked: number;
  /** The first counter-example. */
  readonly detail?: string;
}

export async function runChecks(checks: readonly Check[], context: CheckContext): Promise<Report> {
  const findings: Finding[] = [];
  // One after the other: the embedded database has one connection, and so do the people waiting.
  for (const check of checks) findings.push(...(await check(context)));
  const judged = findings
    .map(({ id, name, checked, counterexample }) => ({
      id,
      name,
      ok: counterexample === undefined,
      checked: Number(checked),
      ...(counterexample !== undefined && { detail: counterexample }),
    }))
    .sort((a, b) => a.id.localeCompare(b.id));
  return { ok: judged.every(({ ok }) => ok), checks: judged };
}
