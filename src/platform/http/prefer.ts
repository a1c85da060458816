/** `Prefer: wait=N` (RFC 7240): how long the caller would wait for the outcome. */
const MAX_WAIT_SECONDS = 30;

/** Milliseconds, at most 30 s; undefined when not asked for or not understood (a preference may be ignored). */
export function waitMsOf(prefer: string | undefined): number | undefined {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?(?:$|[,;\s])/i.exec(prefer ?? "")?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), MAX_WAIT_SECONDS) * 1_000;
}
