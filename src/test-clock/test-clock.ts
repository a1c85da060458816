/**
 * The sandbox's test clock: moves business time for the whole system, one due piece of work after
 * the other, so that every timer, payment and webhook follows in the order it would have had. The
 * offset is a row in each module's schema: it survives a restart and is shared by all processes.
 */
import type { Clock } from "#platform/clock";
import { SqlName } from "#platform/database/database";
import { HttpProblem } from "#platform/http/problem";
import type { Pending } from "#platform/module";
import { type Databases, messagingSchemas } from "../stores.ts";

/** How long one settling may take before the caller is told what is pending. */
const settleMs = 60_000;
const lookMs = 5;

export interface OffsetSource {
  /** Milliseconds business time is ahead. */
  current(): bigint;
  load(databases: Databases): Promise<void>;
  store(databases: Databases, offsetMs: bigint): Promise<void>;
}

export function createOffset(): OffsetSource {
  let offset = 0n;
  return {
    current: () => offset,
    async load(databases) {
      const [row] = await databases.escrow.sql<{ offset_ms: bigint }>`
        SELECT offset_ms FROM escrow.clock`;
      offset = row?.offset_ms ?? 0n;
    },
    async store(databases, offsetMs) {
      for (const schema of messagingSchemas) {
        await databases[schema].sql`
          UPDATE ${new SqlName(schema, "clock")} SET offset_ms = ${offsetMs}, epoch = epoch + 1`;
      }
      offset = offsetMs;
    },
  };
}

export interface TestClockDeps {
  readonly offset: OffsetSource;
  readonly databases: Databases;
  readonly clock: Clock;
  readonly underWay: () => Promise<readonly string[]>;
  readonly pending: () => Promise<readonly Pending[]>;
}

export interface Advanced {
  readonly now: Date;
  /** How many times something became due on the way. */
  readonly fired: number;
}

export interface TestClock {
  /** Resolves once nothing is under way; rejects with 504 naming what is. */
  settle(): Promise<void>;
  advance(byMs: bigint): Promise<Advanced>;
}

export function createTestClock(deps: TestClockDeps): TestClock {
  const { offset, databases, clock, underWay, pending } = deps;
  let busy = false;

  async function settle(): Promise<void> {
    const until = clock.monotonicMs() + settleMs;
    for (;;) {
      const found = await underWay();
      if (found.length === 0) return;
      if (clock.monotonicMs() > until)
        throw new HttpProblem("TIMEOUT", `pending: ${found.join("; ")}`);
      await clock.sleep(lookMs);
    }
  }

  async function advance(byMs: bigint): Promise<Advanced> {
    await settle();
    const asked = offset.current() + byMs;
    const target = clock.now().getTime() + Number(byMs);
    let fired = 0;
    for (;;) {
      const next = earliest(await pending());
      if (next === undefined || next > target) break;
      await moveTo(next);
      await settle();
      fired += 1;
    }
    // Ahead by all that was asked: what real time took on the way has passed as well.
    if (offset.current() < asked) await offset.store(databases, asked);
    await settle();
    return { now: clock.now(), fired };
  }

  /** A millisecond past it, so that what is due then is due. */
  async function moveTo(instantMs: number): Promise<void> {
    const ahead = BigInt(Math.max(0, Math.ceil(instantMs - clock.now().getTime()) + 1));
    await offset.store(databases, offset.current() + ahead);
  }

  return {
    settle,
    async advance(byMs) {
      if (busy) throw new HttpProblem("CONFLICT", "The clock is being advanced already.");
      busy = true;
      try {
        return await advance(byMs);
      } finally {
        busy = false;
      }
    },
  };
}

function earliest(pending: readonly Pending[]): number | undefined {
  const instants = pending.flatMap(({ nextDue }) => (nextDue ? [nextDue.getTime()] : []));
  return instants.length === 0 ? undefined : Math.min(...instants);
}
