/**
 * Runs all workers of the process, each alone: one that fails never stops its neighbours. Stopping
 * goes along the way of the data: nothing new is consumed, what was begun is finished, what was
 * said is published; never longer than the deadline.
 */
import type { Clock } from "../clock.ts";
import type { Worker } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import { endsWithin } from "./ends-within.ts";
import { runWorker, type WorkerLoop } from "./worker-loop.ts";
import type { WorkerLostError } from "./worker-lost-error.ts";

/** Stopped in this order. Relays go on until they find nothing to publish. */
export type Stage = "consumers" | "activities" | "relays";
const stages: readonly Stage[] = ["consumers", "activities", "relays"];

export interface WorkerProblem {
  readonly name: string;
  readonly problem: string;
}

export interface Supervisor {
  /** Starts the workers and returns at once; may be called again with more. Stopping, it starts none. */
  run(workers: readonly Worker[], stage?: Stage): void;
  /** Resolves, at the deadline at the latest, to the names of workers that were still busy. */
  stop(deadlineMs: number): Promise<readonly string[]>;
  problems(): readonly WorkerProblem[];
  /** A worker is lost for good: the process must end, with a failure. */
  onFatal(listener: (worker: string, error: WorkerLostError) => void): () => void;
}

export interface SupervisorOptions {
  readonly logger: Logger;
  readonly clock: Clock;
}

export function createSupervisor({ logger, clock }: SupervisorOptions): Supervisor {
  const loops = new Map<Stage, WorkerLoop[]>(stages.map((stage) => [stage, []]));
  const fatal = new Set<(worker: string, error: WorkerLostError) => void>();
  const all = (): WorkerLoop[] => [...loops.values()].flat();
  let stopping = false;

  return {
    run: (workers, stage = "activities") => {
      if (stopping) return;
      for (const worker of workers) {
        const onLost = (error: WorkerLostError): void => {
          for (const listener of fatal) listener(worker.name, error);
        };
        loops.get(stage)?.push(runWorker({ worker, clock, logger, onLost }));
      }
    },
    stop: async (deadlineMs) => {
      stopping = true;
      const deadline = clock.monotonicMs() + deadlineMs;
      const busy = new Set(all());
      for (const loop of busy) void loop.done.then(() => busy.delete(loop));
      for (const stage of stages) {
        const ending = loops.get(stage) ?? [];
        for (const loop of ending) loop.stop(stage === "relays" ? "drained" : "now");
        const left = Math.max(0, deadline - clock.monotonicMs());
        // A stage that hangs may not take the time in which the later ones would finish.
        const ended = Promise.all(ending.map(({ done }) => done));
        await endsWithin(stage === "relays" ? left : left / 2, ended, clock);
      }
      for (const loop of busy) loop.stop("now");
      const names = [...busy].map(({ name }) => name);
      if (names.length > 0) logger.error({ workers: names }, "workers still busy at the deadline");
      return names;
    },
    problems: () =>
      all().flatMap((loop) => {
        const problem = loop.problem();
        return problem === undefined ? [] : [{ name: loop.name, problem }];
      }),
    onFatal: (listener) => {
      fatal.add(listener);
      return () => {
        fatal.delete(listener);
      };
    },
  };
}
