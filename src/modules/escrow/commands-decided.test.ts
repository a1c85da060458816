// Nothing is decided upon while a command that was accepted may change it.
import { expect, test } from "bun:test";
import type { Queryable } from "#platform/database/database";
import { commandsDecided } from "./commands-decided.ts";

const place = { topic: "escrow.commands.v1", partition: 0 };

function whoeverSleepsIsLater() {
  let nowMs = 0;
  const sleep = async (ms: number) => {
    nowMs += ms;
  };
  return { monotonicMs: () => nowMs, sleep };
}

function decided({ end = 5n, next, aside = 0 }: { end?: bigint; next?: bigint; aside?: number }) {
  const positions = next === undefined ? [] : [{ part: 0, next }];
  const sql = async (text: TemplateStringsArray) =>
    text.join("").includes("next") ? positions : Array.from({ length: aside }, () => ({}));
  const db = { sql } as unknown as Queryable;
  const log = { ends: async () => [{ ...place, low: 2n, end }] };
  return commandsDecided({ db, log, clock: whoeverSleepsIsLater() });
}

test("commands are decided once the reader has passed what the topic had", async () => {
  expect(await decided({ next: 5n })).toBe("decided");
  expect(await decided({ end: 2n })).toBe("decided");
});

test("a command nobody has read yet is waited for, some seconds", async () => {
  expect(await decided({ next: 4n })).toBe("waiting");
  expect(await decided({})).toBe("waiting");
});

test("a command that is set aside is none that is decided", async () => {
  expect(await decided({ next: 5n, aside: 1 })).toBe("set aside");
});
