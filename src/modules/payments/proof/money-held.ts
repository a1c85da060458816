/** How much of other people's money is in our hands, per currency, for dashboards and alerts. */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { Metrics } from "#platform/telemetry/metrics";

type Figures = { readonly labels: { readonly currency: string }; readonly value: number }[];

/** It goes over every payment: a scrape in between sees the figure before. */
const everyMs = 15_000;

export function registerMoneyHeld(
  metrics: Metrics,
  { db, clock }: { readonly db: Database; readonly clock: Pick<Clock, "monotonicMs"> },
): void {
  let figures: Figures = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  metrics.gauge(
    "money_held_minor",
    "Held and reserved for buyers and sellers, minor units; at most 15 s old",
    ["currency"],
    async () => {
      const now = clock.monotonicMs();
      if (now - readAtMs < everyMs) return figures;
      const rows = await db.sql<{ currency: string; held: string }>`
        SELECT currency, sum(held + reserved)::text AS held FROM payments.payment GROUP BY currency`;
      // A gauge is a float: exact up to 2^53 minor units. The ledger is where money is counted.
      figures = rows.map(({ currency, held }) => ({ labels: { currency }, value: Number(held) }));
      readAtMs = now;
      return figures;
    },
  );
}
