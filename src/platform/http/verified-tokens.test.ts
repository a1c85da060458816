import { expect, test } from "bun:test";
import { createManualClock } from "../clock-manual.ts";
import { createVerifiedTokens } from "./verified-tokens.ts";

const alice = { issuer: "app", subject: "alice", roles: [] };
const inSeconds = (clock: { wall(): Date }, s: number) => clock.wall().getTime() / 1_000 + s;

test("a token is believed until it expires, and not without an expiry", async () => {
  const clock = createManualClock();
  const tokens = createVerifiedTokens({ clock });
  expect(tokens.find("t")).toBeUndefined();
  tokens.remember("t", alice, inSeconds(clock, 5));
  tokens.remember("never", alice, undefined);
  expect(tokens.find("t")).toBe(alice);
  expect(tokens.find("never")).toBeUndefined();
  await clock.advance(5_000);
  expect(tokens.find("t")).toBeUndefined();
});

test("ten thousand are kept, the oldest goes", () => {
  const clock = createManualClock();
  const tokens = createVerifiedTokens({ clock });
  for (let n = 0; n <= 10_000; n += 1) tokens.remember(`t${n}`, alice, inSeconds(clock, 100));
  expect(tokens.find("t0")).toBeUndefined();
  expect(tokens.find("t1")).toBe(alice);
  expect(tokens.find("t10000")).toBe(alice);
});
