/**
 * Runs one worker: start, its lanes of steps, stop. Whatever a step throws ends here: it is logged
 * and the lane tries again after a growing pause; only a systemic or lost worker stays stopped.
 */
import type { Clock } from "../clock.ts";
import { SystemicError } from "../errors.ts";
import type { Worker } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import { WorkerLostError } from "./worker-lost-error.ts";

/** A worker that can be told that there is something to do, instead of waiting out `idleMs`. */
export interface WakeableWorker extends Worker {
  onWake(listener: () => void): () => void;
}

export interface WorkerLoop {
  readonly name: string;
  /** Resolves once the last step has ended and the worker was stopped. Never rejects. */
  readonly done: Promise<void>;
  problem(): string | undefined;
  /** "now": after the step in hand. "drained": after the first step that finds nothing to do. */
  stop(when: "now" | "drained"): void;
}

export interface WorkerLoopOptions {
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onLost: (error: WorkerLostError) => void;
}

type Outcome = "worked" | "idle" | "failed";

const firstPauseMs = 100;
const longestPauseMs = 30_000;

export function runWorker({ worker, clock, logger, onLost }: WorkerLoopOptions): WorkerLoop {
  const pauses = new Set<AbortController>();
  const problems = new Map<number, string>();
  let ending: "no" | "drained" | "now" = "no";
  let givenUp: string | undefined;
  let wakes = 0;

  const interrupt = (): void => {
    wakes += 1;
    for (const pause of pauses) pause.abort();
  };
  const pauseFor = async (ms: number): Promise<void> => {
    const pause = new AbortController();
    pauses.add(pause);
    await clock.sleep(ms, pause.signal);
    pauses.delete(pause);
  };
  const stopped = (): boolean => ending === "now" || givenUp !== undefined;

  function failed(lane: number, error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    problems.set(lane, problem);
    const hopeless = error instanceof SystemicError || error instanceof WorkerLostError;
    logger.error(
      { worker: worker.name, err: error },
      hopeless ? "worker stopped for good" : "step failed",
    );
    if (!hopeless) return;
    givenUp = problem;
    interrupt();
    if (error instanceof WorkerLostError) onLost(error);
  }

  /** Does `work` until it succeeds or is not to be tried again; the pauses between grow. */
  async function attempt(
    lane: number,
    work: () => Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    for (let tries = 0; ; tries += 1) {
      try {
        const outcome = await work();
        problems.delete(lane);
        return outcome;
      } catch (error) {
        failed(lane, error);
      }
      if (stopped() || ending === "drained") return "failed";
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** tries);
      await pauseFor(pauseMs * (0.5 + Math.random() / 2));
      if (ending !== "no") return "failed";
    }
  }

  async function runLane(lane: number): Promise<void> {
    while (!stopped()) {
      const before = wakes;
      const outcome = await attempt(lane, () => worker.step());
      if (ending === "drained" && outcome !== "worked") return;
      // The embedded database answers without leaving the microtask queue; requests need a turn too.
      if (outcome === "worked") await new Promise(setImmediate);
      else if (before === wakes && !stopped()) await pauseFor(worker.idleMs);
    }
  }

  async function run(): Promise<void> {
    const forget = isWakeable(worker) ? worker.onWake(interrupt) : undefined;
    const started = await attempt(0, async () => worker.start?.().then(() => undefined));
    if (started !== "failed" && !stopped()) {
      await Promise.all(Array.from({ length: worker.lanes ?? 1 }, (_, lane) => runLane(lane)));
    }
    forget?.();
    await worker.stop?.().catch((error: unknown) => {
      logger.error({ worker: worker.name, err: error }, "worker did not stop cleanly");
    });
  }

  return {
    name: worker.name,
    done: run(),
    problem: () => givenUp ?? [...problems.values()][0] ?? worker.problem?.(),
    stop: (when) => {
      if (ending !== "now") ending = when;
      interrupt();
    },
  };
}

function isWakeable(worker: Worker): worker is WakeableWorker {
  return "onWake" in worker && typeof worker.onWake === "function";
}
