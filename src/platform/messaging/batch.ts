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

export interface SortingOptions {
  readonly ordered: boolean;
  /** Keys that were blocked before. */
  readonly blocked: readonly string[];
}

export function createSorting<M extends Message>({ ordered, blocked }: SortingOptions): Sorting<M> {
  /** By key, the offset from which on nothing goes through. */
  const blockedFrom = new Map<string, bigint>(blocked.map((key) => [key, -1n]));
  const aside = new Map<bigint, SetAside>();
  const failures: unknown[] = [];

  function setAside(
    item: Exclude<Received<M>, { kind: "unknown" }>,
    reason: SetAside["reason"],
    error?: unknown,
  ): void {
    const { record } = item;
    const known = item.kind === "message" ? item.incoming : undefined;
    aside.set(record.offset, {
      record,
      messageId: known?.messageId ?? record.headers["message-id"] ?? "",
      messageType: known?.messageType ?? record.headers["message-type"] ?? "",
      reason,
      error,
    });
    if (ordered && reason !== "behind") {
      const from = blockedFrom.get(keyOf(record));
      if (from === undefined || record.offset < from) blockedFrom.set(keyOf(record), record.offset);
    }
  }

  function passes(item: Decodable<M>): boolean {
    if (aside.has(item.record.offset)) return false;
    const from = ordered ? blockedFrom.get(keyOf(item.record)) : undefined;
    if (from === undefined || item.record.offset < from) return true;
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
