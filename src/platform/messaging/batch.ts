/**
 * Sorts the messages of one transaction into those that go through and those set aside. Once a key
 * has failed, nothing later of it goes through; what came before it is untouched.
 */
import type { Message } from "@bufbuild/protobuf";
import { classifyDecision } from "./failure.ts";
import type { Batch } from "./handler.ts";
import { keyOf, type Received } from "./intake.ts";
import type { SetAside } from "./parking.ts";

export type Decodable<M extends Message> = Extract<Received<M>, { kind: "message" }>;

export interface Sorting<M extends Message> {
  /** False, and set aside, when its key failed before it. */
  passes(item: Decodable<M>): boolean;
  fail(item: Decodable<M> | Extract<Received<M>, { kind: "undecodable" }>, error: unknown): void;
  /** Ends it without another try: undecodable, or the cause of a crash. */
  bury(item: Exclude<Received<M>, { kind: "unknown" }>, error: unknown): void;
  /** What the handler sees of these. */
  batchOf(items: readonly Decodable<M>[]): Batch<M>;
  readonly aside: readonly SetAside[];
  /** What was thrown for messages that could be decoded. */
  readonly failures: readonly unknown[];
}

export interface SortingOptions<M extends Message> {
  /** All that can be asked about, in order: of one partition after the other. */
  readonly items: readonly Received<M>[];
  readonly ordered: boolean;
  /** Keys that were blocked before. */
  readonly blocked: readonly string[];
}

export function createSorting<M extends Message>(options: SortingOptions<M>): Sorting<M> {
  const { items: all, ordered, blocked } = options;
  const rank = new Map<Received<M>, number>(all.map((item, at) => [item, at]));
  const rankOf = (item: Received<M>): number => rank.get(item) ?? all.length;
  /** By key, the rank from which on nothing goes through. */
  const blockedFrom = new Map<string, number>(blocked.map((key) => [key, -1]));
  const aside = new Map<Received<M>, SetAside>();
  const failures: unknown[] = [];

  function setAside(
    item: Exclude<Received<M>, { kind: "unknown" }>,
    reason: SetAside["reason"],
    error?: unknown,
  ): void {
    const { record } = item;
    const known = item.kind === "message" ? item.incoming : undefined;
    aside.set(item, {
      record,
      messageId: known?.messageId ?? record.headers["message-id"] ?? "",
      messageType: known?.messageType ?? record.headers["message-type"] ?? "",
      reason,
      error,
    });
    if (ordered && reason !== "behind") {
      const from = blockedFrom.get(keyOf(record));
      if (from === undefined || rankOf(item) < from) blockedFrom.set(keyOf(record), rankOf(item));
    }
  }

  function passes(item: Decodable<M>): boolean {
    if (aside.has(item)) return false;
    const from = ordered ? blockedFrom.get(keyOf(item.record)) : undefined;
    if (from === undefined || rankOf(item) < from) return true;
    setAside(item, "behind");
    return false;
  }

  function fail(item: Exclude<Received<M>, { kind: "unknown" }>, error: unknown): void {
    failures.push(error);
    setAside(item, "failed", error);
  }

  return {
    passes,
    fail,
    bury: (item, error) => setAside(item, "dead", error),
    batchOf: (items) => ({
      messages: items.map(({ incoming }) => incoming),
      each(decide) {
        for (const item of items) {
          if (!passes(item)) continue;
          try {
            decide(item.incoming);
          } catch (error) {
            // Not about this message: the whole batch is given up.
            if (classifyDecision(error) !== "permanent") throw error;
            fail(item, error);
          }
        }
      },
    }),
    get aside() {
      return [...aside.values()];
    },
    failures,
  };
}
