/**
 * One member of a group over the log in tables. Each partition it holds is in one lane's hand at a
 * time, and a batch that was overtaken by another owner changes nothing any more.
 */
import type { Clock } from "../../clock.ts";
import type { Database } from "../../database/database.ts";
import { classifyDatabaseError } from "../../database/database-error.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type {
  LogBatch,
  LogRecord,
  PartitionEnds,
  SubscribeOptions,
  Subscription,
} from "../event-log.ts";
import { createWaiters } from "../waiters.ts";
import type { Claimed, Membership } from "./members.ts";
import type { LogTables } from "./names.ts";
import { readSlice } from "./read.ts";
import type { TableWatch } from "./watch.ts";

const beatMs = 2_000;
/** While partitions of ours are still in another member's hand, or the log is away. */
const eagerBeatMs = 250;
const sessionMs = 10_000;
const closeWaitMs = 10_000;

/** A partition that this member owns. */
interface Hold {
  readonly owned: Claimed;
  /** Where the next batch starts; unknown until the reader said so. */
  position: bigint | undefined;
  inHand: boolean;
  /** To be given back once it is in nobody's hand. */
  leaving: boolean;
  notBeforeMs: number;
}

export interface TableSubscriptionDeps {
  readonly db: Database;
  readonly tables: LogTables;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watch: TableWatch;
  readonly membership: Membership;
  readonly options: SubscribeOptions;
}

export function createTableSubscription(deps: TableSubscriptionDeps): Subscription {
  const { clock, logger, watch, membership, options } = deps;
  const holds = new Map<string, Hold>();
  const beats = createWaiters();
  const stopWatching = watch.watch(options.topics);
  let state: "joining" | "joined" | "lost" = "joining";
  let closing = false;
  let lastBeatMs = clock.monotonicMs();

  const run = async (): Promise<void> => {
    while (!closing && state !== "lost") {
      try {
        state = (await rebalance({ ...deps, holds })) ? "joined" : "joining";
        lastBeatMs = clock.monotonicMs();
        watch.moved.wake();
      } catch (error) {
        logger.warn(
          { err: error, group: options.group },
          "the group cannot be joined; trying again",
        );
        state = classifyDatabaseError(error) === "systemic" ? "lost" : "joining";
        if (clock.monotonicMs() - lastBeatMs > sessionMs) holds.clear();
      }
      if (!closing) await beats.wait(state === "joined" ? beatMs : eagerBeatMs);
    }
  };
  const running = run();

  return {
    state: () => state,
    async poll(waitMs) {
      const until = clock.monotonicMs() + waitMs;
      while (!closing) {
        const hold = nextReady(holds, watch, clock.monotonicMs());
        if (hold !== undefined) {
          const batch = await take(hold, { ...deps, holds, onFree: beats.wake });
          if (batch !== null) return batch;
        }
        const now = clock.monotonicMs();
        if (now >= until) return null;
        await watch.moved.wait(Math.min(until - now, untilResumed(holds, now)));
      }
      return null;
    },
    async close() {
      closing = true;
      beats.wake();
      watch.moved.wake();
      await running;
      const until = clock.monotonicMs() + closeWaitMs;
      while ([...holds.values()].some(({ inHand }) => inHand) && clock.monotonicMs() < until) {
        await beats.wait(100);
      }
      stopWatching();
      await membership.leave().catch((error: unknown) => {
        logger.warn({ err: error, group: options.group }, "the group was not left in order");
      });
      holds.clear();
    },
  };
}

type RebalanceDeps = TableSubscriptionDeps & { readonly holds: Map<string, Hold> };

/** One heartbeat: gives back what is not ours, takes what is. True when all of our share is being read. */
async function rebalance({
  membership,
  holds,
  options,
  logger,
  watch,
}: RebalanceDeps): Promise<boolean> {
  const { share, missing } = await membership.beat();
  if (missing.length > 0) {
    logger.warn({ group: options.group, missing }, "topics are missing: create them first");
  }
  const renewed = new Map((await membership.renew()).map((owned) => [idOf(owned), owned.epoch]));
  for (const [id, { owned }] of holds) {
    if (renewed.get(id) !== owned.epoch) holds.delete(id);
  }
  const wanted = new Map(share.map((ends) => [idOf(ends), ends]));
  for (const [id, hold] of holds) hold.leaving = !wanted.has(id);
  const leaving = [...holds.values()].filter(({ leaving, inHand }) => leaving && !inHand);
  for (const { owned } of leaving) holds.delete(idOf(owned));
  await membership.release(leaving.map(({ owned }) => owned));

  const claimed = await membership.claim(share.filter((ends) => !holds.has(idOf(ends))));
  for (const owned of claimed) {
    const hold = { owned, position: undefined, inHand: false, leaving: false, notBeforeMs: 0 };
    holds.set(idOf(owned), hold);
  }
  if (claimed.length > 0) await watch.refresh();
  for (const [id, hold] of holds) {
    const ends = wanted.get(id);
    if (hold.position === undefined && ends !== undefined)
      await start(hold, ends, membership, options);
  }
  return missing.length === 0 && [...wanted.keys()].every((id) => holds.has(id));
}

async function start(
  hold: Hold,
  ends: PartitionEnds,
  membership: Membership,
  options: SubscribeOptions,
): Promise<void> {
  const { topic, partition } = hold.owned;
  const { next } = hold.owned;
  const lastDone = async () => (next < 0n ? undefined : next);
  const position = await options.startAt(topic, partition, ends, lastDone);
  if (position !== next) await membership.commit(hold.owned, position);
  hold.position = position;
}

/** The next one in turn with records to read; it goes to the end of the line. */
function nextReady(holds: Map<string, Hold>, watch: TableWatch, nowMs: number): Hold | undefined {
  for (const [id, hold] of holds) {
    const { owned, position, inHand, leaving, notBeforeMs } = hold;
    if (position === undefined || inHand || leaving || notBeforeMs > nowMs) continue;
    const ends = watch.ends(owned.topic, owned.partition);
    if (ends === undefined || ends.end <= position) continue;
    holds.delete(id);
    holds.set(id, hold);
    return hold;
  }
  return undefined;
}

function untilResumed(holds: Map<string, Hold>, nowMs: number): number {
  const pauses = [...holds.values()].map(({ notBeforeMs }) => notBeforeMs - nowMs);
  return Math.min(...pauses.filter((ms) => ms > 0), 60_000);
}

type TakeDeps = RebalanceDeps & { readonly onFree: () => void };

async function take(hold: Hold, deps: TakeDeps): Promise<LogBatch | null> {
  const { db, tables, clock, logger, options } = deps;
  const { topic, partition } = hold.owned;
  const from = hold.position ?? 0n;
  hold.inHand = true;
  try {
    const slice = { topic, partition, from, limit: options.maxRecords };
    const records = await readSlice(db, tables, slice);
    if (records.length > 0) return inHand(hold, from, records, deps);
  } catch (error) {
    logger.warn({ err: error, topic, partition }, "the log cannot be read; trying again");
  }
  // Nothing although the end is further on: the log is away, or retention took it all.
  hold.inHand = false;
  hold.notBeforeMs = clock.monotonicMs() + eagerBeatMs;
  deps.onFree();
  return null;
}

function inHand(hold: Hold, from: bigint, records: readonly LogRecord[], deps: TakeDeps): LogBatch {
  const { clock, watch, membership, holds, onFree } = deps;
  const { topic, partition } = hold.owned;
  const last = records.at(-1)?.offset ?? from;
  const ends = watch.ends(topic, partition) ?? { low: from, end: last + 1n };
  let settled = false;
  /** False for a batch that was settled before. */
  const settle = (position: bigint, delayMs: number): boolean => {
    if (settled) return false;
    settled = true;
    hold.position = position;
    hold.notBeforeMs = delayMs === 0 ? 0 : clock.monotonicMs() + delayMs;
    hold.inHand = false;
    watch.moved.wake();
    if (hold.leaving) onFree();
    return true;
  };
  return {
    topic,
    partition,
    records,
    low: ends.low,
    end: ends.end,
    async done(next) {
      if (!settle(next, 0)) return;
      const id = idOf(hold.owned);
      const kept = await membership.commit(hold.owned, next);
      if (!kept && holds.get(id) === hold) holds.delete(id);
    },
    retryAfter: (delayMs) => {
      settle(from, delayMs);
    },
    seek: (offset) => {
      settle(offset, 0);
    },
  };
}

function idOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}
