/**
 * The proof of the books, all the time: a slice of the escrows at each step, round after round, so
 * that a figure that breaks is known within a round and not at the next audit. Changes nothing.
 */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { Worker } from "#platform/module";
import type { Logger } from "#platform/telemetry/logger";
import { type Cover, coverOf } from "../ledger/cover.ts";
import { type LedgerViolation, ledgerRound } from "../ledger/verify.ts";

export interface Conservation {
  readonly worker: Worker;
  /** Of the last whole round; undefined before the first has ended. */
  readonly last: () => Round | undefined;
}

export interface Round {
  readonly violations: number;
  readonly checked: bigint;
  readonly cover: readonly Cover[];
  readonly endedAt: Date;
}

/** A slice each: a hundred thousand escrows are gone through in a quarter of an hour. */
const idleMs = 2_000;

export function createConservation({
  db,
  clock,
  logger,
}: {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}): Conservation {
  let last: Round | undefined;
  let round = ledgerRound(db);
  let violations: LedgerViolation[] = [];
  let checked = 0n;

  async function end(): Promise<void> {
    const [first] = violations;
    if (first !== undefined) {
      logger.error({ violations: violations.length, first }, "the books do not add up");
    }
    const cover = await coverOf(db);
    last = { violations: violations.length, checked, cover, endedAt: clock.wall() };
    [round, violations, checked] = [ledgerRound(db), [], 0n];
  }

  return {
    last: () => last,
    worker: {
      name: "payments.conservation",
      idleMs,
      step: async () => {
        try {
          const { done, value } = await round.next();
          if (done === true) await end();
          else {
            checked += value.checked;
            violations = [...violations, ...value.violations];
          }
        } catch (error) {
          // A generator that threw is at its end: the round begins anew.
          [round, violations, checked] = [ledgerRound(db), [], 0n];
          throw error;
        }
        return "idle";
      },
    },
  };
}
