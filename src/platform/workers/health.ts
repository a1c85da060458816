/**
 * What /readyz answers: named checks, run side by side. Each is bounded in time, so that a
 * dependency that fell silent cannot silence the answer about it. Anybody may ask, so what is shown
 * names parts; reasons, with addresses, are for operators and the log, once while they stay the same.
 */
import type { Clock } from "../clock.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface HealthReport {
  readonly status: "ready" | "not ready";
  /** "ok" or why not, by check; in the order they were registered. */
  readonly checks: Readonly<Record<string, string>>;
  /** Why not, by check, in the words of what failed: for operators only. */
  readonly reasons: Readonly<Record<string, string>>;
  /** What an operator should know although work goes on: for operators only. */
  readonly notices: readonly string[];
}

export interface Health {
  /**
   * `check` rejects while not healthy: its message is shown to everybody, what caused it is the
   * reason. Returns what takes it out again.
   */
  register(name: string, check: () => Promise<void>): () => void;
  /** Something that is no reason to send work elsewhere; sentences, none while all is as usual. */
  notice(tell: () => Promise<readonly string[]>): void;
  /** Never rejects. */
  check(): Promise<HealthReport>;
}

const limitMs = 2_000;

export function createHealth({
  clock,
  logger,
}: {
  readonly clock: Clock;
  readonly logger?: Logger;
}): Health {
  const checks = new Map<string, () => Promise<void>>();
  const tellers: (() => Promise<readonly string[]>)[] = [];
  const told = new Map<string, string>();
  const tell = (name: string, { answer, reason }: Outcome): void => {
    if (told.get(name) === reason) return;
    if (reason === undefined) {
      told.delete(name);
      logger?.info({ check: name }, `${name} is well again`);
    } else {
      told.set(name, reason);
      logger?.warn({ check: name, reason }, `not ready: ${name}: ${answer}`);
    }
  };
  return {
    register: (name, check) => {
      if (checks.has(name)) throw new Error(`there is a check named ${name} already`);
      checks.set(name, check);
      return () => {
        checks.delete(name);
      };
    },
    notice: (tell) => {
      tellers.push(tell);
    },
    check: async () => {
      const notices = Promise.all(tellers.map((tell) => soon(tell, clock)));
      const answers = await Promise.all(
        [...checks].map(async ([name, check]) => [name, await outcome(check, clock)] as const),
      );
      for (const [name, one] of answers) tell(name, one);
      const ready = answers.every(([, { reason }]) => reason === undefined);
      return {
        status: ready ? "ready" : "not ready",
        checks: Object.fromEntries(answers.map(([name, { answer }]) => [name, answer])),
        reasons: Object.fromEntries(
          answers.flatMap(([name, { reason }]) => (reason === undefined ? [] : [[name, reason]])),
        ),
        notices: (await notices).flat(),
      };
    },
  };
}

/** A notice that cannot be had is none: what keeps it away is a check's to say. */
async function soon(
  tell: () => Promise<readonly string[]>,
  clock: Clock,
): Promise<readonly string[]> {
  const given = new AbortController();
  const none: readonly string[] = [];
  const late = clock.sleep(limitMs, given.signal).then(() => none);
  try {
    return await Promise.race([tell().catch(() => none), late]);
  } finally {
    given.abort();
  }
}

interface Outcome {
  readonly answer: string;
  /** There while not healthy. */
  readonly reason?: string;
}

async function outcome(check: () => Promise<void>, clock: Clock): Promise<Outcome> {
  const given = new AbortController();
  const late = clock.sleep(limitMs, given.signal).then((): Outcome => {
    const answer = `no answer within ${limitMs / 1_000} s`;
    return { answer, reason: answer };
  });
  const answer = (async () => check())().then((): Outcome => ({ answer: "ok" }), unwell);
  try {
    return await Promise.race([answer, late]);
  } finally {
    given.abort();
  }
}

function unwell(error: unknown): Outcome {
  const answer = textOf(error);
  const cause = error instanceof Error ? error.cause : undefined;
  return { answer, reason: cause === undefined ? answer : textOf(cause) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
