/**
 * What /readyz answers: named checks, run side by side. Each is bounded in time, so that a
 * dependency that fell silent cannot silence the answer about it.
 */
import type { Clock } from "./clock.ts";

export interface HealthReport {
  readonly status: "ready" | "not ready";
  /** "ok" or why not, by check; in the order they were registered. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface Health {
  /** `check` rejects while not healthy; its message is shown. Returns what takes it out again. */
  register(name: string, check: () => Promise<void>): () => void;
  /** Never rejects. */
  check(): Promise<HealthReport>;
}

const limitMs = 2_000;

export function createHealth({ clock }: { readonly clock: Clock }): Health {
  const checks = new Map<string, () => Promise<void>>();
  return {
    register: (name, check) => {
      if (checks.has(name)) throw new Error(`there is a check named ${name} already`);
      checks.set(name, check);
      return () => {
        checks.delete(name);
      };
    },
    check: async () => {
      const answers = await Promise.all(
        [...checks].map(async ([name, check]) => [name, await outcome(check, clock)] as const),
      );
      const ready = answers.every(([, answer]) => answer === "ok");
      return { status: ready ? "ready" : "not ready", checks: Object.fromEntries(answers) };
    },
  };
}

async function outcome(check: () => Promise<void>, clock: Clock): Promise<string> {
  const given = new AbortController();
  const late = clock
    .sleep(limitMs, given.signal)
    .then(() => `no answer within ${limitMs / 1_000} s`);
  const answer = (async () => check())().then(
    () => "ok",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    given.abort();
  }
}
