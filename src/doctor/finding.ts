/** One line of the doctor: what was looked at, what was found, and what to do where it is not well. */

export interface Finding {
  readonly area:
    | "settings"
    | "database"
    | "outbox"
    | "kafka"
    | "topics"
    | "rights"
    | "schemas"
    | "lag"
    | "clock"
    | "provider";
  readonly verdict: "ok" | "warn" | "fail";
  readonly text: string;
  /** There where the verdict is not "ok". */
  readonly remedy?: string;
  /** A dependency that could not be asked at all. */
  readonly unreachable?: boolean;
}

const resumeRemedy =
  "look at its breaks and the reason (GET /v1/providers), then have one operator ask to let it go on " +
  "(POST /v1/providers/{name}/resume with a reason) and a second one approve it";

const topUpRemedy =
  "pay in what is missing there (docs/operations.md#provideruncovered); at the sandbox by POST " +
  '/sandbox/movements {"amount":"5000","currency":"USD","category":"topup"}, then `app reconcile`';

type Area = Finding["area"];

export function well(area: Area, text: string): Finding {
  return { area, verdict: "ok", text };
}

export function doubt(area: Area, text: string, remedy: string): Finding {
  return { area, verdict: "warn", text, remedy };
}

export function ill(area: Area, text: string, remedy: string): Finding {
  return { area, verdict: "fail", text, remedy };
}

export function unreachable(area: Area, text: string, remedy: string): Finding {
  return { area, verdict: "fail", text, remedy, unreachable: true };
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A provider's releases are stopped: `text` says by whom. */
export function stoppedLine(text: string): Finding {
  return doubt("provider", text, resumeRemedy);
}

/** Less lies at a provider than is owed out of it: `text` says how much. */
export function shortCover(text: string): Finding {
  return doubt("provider", text, topUpRemedy);
}
