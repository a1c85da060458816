/**
 * What a key was answered is answered again for a day, server errors included; another body under
 * it is refused. A refusal is not kept: nothing was executed.
 */

export interface Reply {
  readonly status: number;
  readonly body: string;
}

const keptMs = 24 * 3_600_000;

export function createKeys(now: () => Date) {
  const kept = new Map<string, { readonly request: string; readonly atMs: number; reply: Reply }>();
  return {
    /** "other": the key belongs to another request. */
    find: (key: string, request: string): Reply | "other" | undefined => {
      const there = kept.get(key);
      if (there === undefined || now().getTime() - there.atMs >= keptMs) return undefined;
      return there.request === request ? there.reply : "other";
    },
    keep: (key: string, request: string, reply: Reply): void => {
      kept.set(key, { request, reply, atMs: now().getTime() });
    },
  };
}
