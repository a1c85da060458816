/**
 * The listeners of a process: registered before or while it runs, each reading its topics alone, and
 * taken away again without disturbing the others.
 */
import type { Clock } from "../clock.ts";
import type { EventLog } from "../messaging/event-log.ts";
import type { AnyTopic } from "../messaging/topic.ts";
import type { Worker } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Tracer } from "../telemetry/tracing.ts";
import type { WorkerProblem } from "../workers/supervisor.ts";
import { runWorker, type WorkerLoop } from "../workers/worker-loop.ts";
import type { WorkerLostError } from "../workers/worker-lost-error.ts";
import type { AnyListener, Listener } from "./listener.ts";
import { createListenerWorker, groupOf, type Told } from "./listener-worker.ts";
import { isPattern, matches } from "./pattern.ts";
import { protoReader } from "./readers.ts";

export interface Listeners {
  /** Reads from now on when running. Throws for a name that is taken and a topic nobody can read. */
  registerHandler<T>(listener: Listener<T>): void;
  /** Resolves once its last message is done; false when there is none of this name. */
  unregisterHandler(name: string): Promise<boolean>;
  hasHandler(name: string): boolean;
  /** All topics that some listener reads, by name. */
  getRegisteredTopics(): readonly string[];
  /** The consumer groups they read with. */
  groups(): readonly string[];
  clearHandlers(): Promise<void>;
  startWithHandlers(): void;
  isRunningHandlers(): boolean;
  problems(): readonly WorkerProblem[];
  /** A listener's group is lost for good: the process must end, with a failure. */
  onFatal(tell: (worker: string, error: WorkerLostError) => void): void;
  /** Stops all; they stay registered. */
  stop(): Promise<void>;
}

export interface ListenersOptions {
  readonly log: Pick<EventLog, "subscribe" | "ends">;
  /** The catalogue that patterns are matched with. */
  readonly topics: readonly AnyTopic[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer?: Tracer | undefined;
  readonly onTold?: ((told: Told) => void) | undefined;
}

interface Registered {
  readonly listener: AnyListener;
  readonly topics: readonly string[];
  loops: readonly WorkerLoop[];
}

export function createListeners(options: ListenersOptions): Listeners {
  const registered = new Map<string, Registered>();
  const fatal = new Set<(worker: string, error: WorkerLostError) => void>();
  let running = false;

  const start = (one: Registered): void => {
    one.loops = one.topics.map((topic) => {
      const worker = workerOf(options, one.listener, topic);
      const onLost = (error: WorkerLostError): void => {
        for (const tell of fatal) tell(worker.name, error);
      };
      return runWorker({ worker, clock: options.clock, logger: options.logger, onLost });
    });
  };
  const stop = async (one: Registered): Promise<void> => {
    const { loops } = one;
    one.loops = [];
    for (const loop of loops) loop.stop("now");
    await Promise.all(loops.map(({ done }) => done));
  };
  const clear = async (): Promise<void> => {
    const all = [...registered.values()];
    registered.clear();
    await Promise.all(all.map(stop));
  };

  return {
    registerHandler(listener) {
      if (registered.has(listener.name)) {
        throw new Error(`a listener ${listener.name} is registered already`);
      }
      const one = { listener, topics: topicsOf(options, listener), loops: [] };
      registered.set(listener.name, one);
      if (running) start(one);
    },
    async unregisterHandler(name) {
      const one = registered.get(name);
      if (one === undefined) return false;
      registered.delete(name);
      await stop(one);
      return true;
    },
    hasHandler: (name) => registered.has(name),
    getRegisteredTopics: () =>
      [...new Set([...registered.values()].flatMap(({ topics }) => topics))].sort(),
    groups: () =>
      [...registered.values()].flatMap(({ listener, topics }) =>
        topics.map((topic) => groupOf(listener.name, topic)),
      ),
    clearHandlers: clear,
    startWithHandlers() {
      if (running) return;
      running = true;
      for (const one of registered.values()) start(one);
    },
    isRunningHandlers: () => running,
    problems: () =>
      [...registered.values()]
        .flatMap(({ loops }) => loops)
        .flatMap((loop) => {
          const problem = loop.problem();
          return problem === undefined ? [] : [{ name: loop.name, problem }];
        }),
    onFatal: (tell) => {
      fatal.add(tell);
    },
    async stop() {
      running = false;
      await Promise.all([...registered.values()].map(stop));
    },
  };
}

function topicsOf({ topics }: ListenersOptions, { name, on, read }: AnyListener): string[] {
  const known = topics.filter((topic) => matches(on, topic.name)).map((topic) => topic.name);
  if (known.length > 0) return known;
  if (isPattern(on)) throw new Error(`${name}: no topic is called ${on}`);
  if (read === undefined) throw new Error(`${name}: how ${on} is read has to be said`);
  return [on];
}

function workerOf(options: ListenersOptions, listener: AnyListener, topic: string): Worker {
  const { topics, log, clock, logger, tracer, onTold } = options;
  const known = topics.find(({ name }) => name === topic);
  const read = listener.read ?? (known && protoReader(known));
  if (read === undefined) throw new Error(`nothing reads ${topic}`);
  return createListenerWorker({ listener, topic, read, log, clock, logger, tracer, onTold });
}
