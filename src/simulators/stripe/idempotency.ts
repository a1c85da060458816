/**
 * Stripe's idempotency: what a key was answered is answered again, server errors included; other
 * parameters under it are refused; a request still running makes its repetition a conflict; after a
 * day the key is forgotten and would pay again.
 */
import { createHash } from "node:crypto";
import { Refusal } from "./refusal.ts";

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Kept {
  readonly digest: string;
  readonly atMs: number;
  reply: Reply | undefined;
}

const keptMs = 24 * 3_600_000;

export interface Keys {
  /** The saved reply, if this key has one; begins to execute otherwise. */
  begin(key: string, request: string): Reply | undefined;
  /** Undefined: it never executed, so the key is free. */
  end(key: string, reply: Reply | undefined): void;
}

export function createKeys(now: () => Date): Keys {
  const kept = new Map<string, Kept>();
  return {
    begin: (key, request) => {
      const atMs = now().getTime();
      const digest = createHash("sha256").update(request).digest("hex");
      const there = kept.get(key);
      if (there === undefined || atMs - there.atMs >= keptMs) {
        kept.set(key, { digest, atMs, reply: undefined });
        return undefined;
      }
      if (there.digest !== digest) {
        throw new Refusal("Keys are for the same parameters only", {
          status: 400,
          type: "idempotency_error",
        });
      }
      if (there.reply === undefined) {
        throw new Refusal("A request with this key is being processed", {
          status: 409,
          type: "idempotency_error",
          code: "idempotency_key_in_use",
        });
      }
      return { ...there.reply, headers: { ...there.reply.headers, "Idempotent-Replayed": "true" } };
    },
    end: (key, reply) => {
      const there = kept.get(key);
      if (there === undefined) return;
      if (reply === undefined) kept.delete(key);
      else there.reply = reply;
    },
  };
}
